"""Logits of an ONNX file by onnxruntime: logits.py MODEL.onnx IMAGES SHAPE OUTPUT, float32 in raw files.

The model is also checked against ONNX's own rules, shapes inferred.
"""
import sys

import numpy
import onnx
import onnxruntime

model, images, shape, output = sys.argv[1:]
onnx.checker.check_model(model, full_check=True)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
pixels = numpy.fromfile(images, numpy.float32).reshape(-1, *map(int, shape.split(',')))
parts = [session.run(['logits'], {'image': pixels[at : at + 50]})[0] for at in range(0, len(pixels), 50)]
numpy.concatenate(parts).tofile(output)
