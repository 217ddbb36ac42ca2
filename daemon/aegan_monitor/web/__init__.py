"""The HTTP interface and the page: Starlette and uvicorn in one thread."""
