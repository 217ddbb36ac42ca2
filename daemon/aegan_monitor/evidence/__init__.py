"""Evidence of each case: sound, a picture, scores and words, in a folder with a quota."""
