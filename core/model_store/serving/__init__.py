"""Networks of other programs that OpenVINO runs: serving functions of SavedModels, and ONNX files."""
