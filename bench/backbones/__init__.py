"""Classifiers: our own, timm's, torchvision's, ONNX files and functions of yours, frozen and split."""
