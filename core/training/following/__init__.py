"""Other programs that follow a run where they are asked for: MLflow and Weights & Biases."""
