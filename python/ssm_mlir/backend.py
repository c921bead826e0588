"""The compiler as an ONNX backend: ssm_mlir.backend.prepare(model).run(inputs)."""
import onnx
from onnx.backend.base import Backend, BackendRep, namedtupledict

from ._compile import compile


class SsmBackendRep(BackendRep):
    def __init__(self, module):
        self.module = module

    def run(self, inputs, **kwargs):
        """Outputs in the order of the graph, also by name; inputs in order or by name."""
        if not isinstance(inputs, (list, tuple)) and not hasattr(inputs, "keys"):
            inputs = [inputs]
        results = self.module.run(inputs)
        return namedtupledict("Outputs", list(results))(*results.values())


class SsmBackend(Backend):
    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        super().prepare(model, device, **kwargs)
        if not cls.supports_device(device):
            raise ValueError(f"device {device} is not supported")
        return SsmBackendRep(compile(model, **kwargs))

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        names = [name for name in node.input if name]
        given = [onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                 for n, a in zip(names, inputs)]
        if outputs_info:
            wanted = [onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(dtype), shape)
                      for n, (dtype, shape) in zip(node.output, outputs_info)]
        else:
            wanted = [onnx.helper.make_empty_tensor_value_info(n) for n in node.output]
        graph = onnx.helper.make_graph([node], "node", given, wanted)
        opsets = [onnx.helper.make_opsetid(node.domain, kwargs.pop("opset_version", onnx.defs.onnx_opset_version()))]
        model = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph, opset_imports=opsets))
        return cls.run_model(model, list(inputs), device, **kwargs)

    @classmethod
    def supports_device(cls, device):
        return device.split(":")[0] == "CPU"


prepare = SsmBackend.prepare
run_model = SsmBackend.run_model
run_node = SsmBackend.run_node
supports_device = SsmBackend.supports_device
is_compatible = SsmBackend.is_compatible
