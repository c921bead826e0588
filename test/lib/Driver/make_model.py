"""Writes a model given in ONNX's text form: make_model.py OUT.onnx < TEXT. Nodes are named after their first output."""
import sys

import onnx
import onnx.parser

model = onnx.parser.parse_model(sys.stdin.read())
for node in model.graph.node:
    node.name = node.output[0] + "_node"
onnx.save(model, sys.argv[1])
