"""Every tolerance of the tests, with its reason."""

LOGMEL_DB = 2e-4  # float32 FFTs of two libraries differ by 1.5e-5 dB where there is sound; near the floor by a little more
STATISTICS = 1e-9  # float64 against scikit-learn's float64
FLOAT32_DISTANCES = 1e-5  # spaces keep float32 arrays, and a squared distance is a difference of squares
NETWORK = 1e-5  # float32 networks, one in ONNX Runtime and one in PyTorch, relative to the largest output
SCORES = 1e-4  # the promise: replay, evaluate and the independent oracle, relative
COSINE_OF_SPECTRA = 1e-3  # spectra in dB are nearly parallel: their cosine distance is 1e-3, and float32 frames leave 1e-4 of it
