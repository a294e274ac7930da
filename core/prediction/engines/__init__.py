"""Networks made to answer fast: OpenVINO, TensorFlow, int8, and exports."""
