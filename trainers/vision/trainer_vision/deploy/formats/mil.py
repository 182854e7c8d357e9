"""An interpreter of Core ML's programs (MIL), by torch: what a .mlpackage computes, on any machine. Needs coremltools and torch.

The program is read back from the written package, with its weights. Only the operations that our graphs have are known;
another one is an error that names it. Operations: https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from coremltools.converters.mil.frontend.milproto.load import load as load_program
from coremltools.models.utils import load_spec
from torch.nn import functional

DTYPES = {
    "fp32": torch.float32, "fp16": torch.float16, "int32": torch.int32, "int64": torch.int64, "bool": torch.bool, "uint8": torch.uint8, "int16": torch.int16,
    "uint16": torch.int32, "int8": torch.int8,
}


def read(package: Path) -> Any:
    spec = load_spec(str(package))
    return load_program(spec, specification_version=spec.specificationVersion, file_weights_dir=str(package / "Data/com.apple.CoreML/weights"))


def run(program: Any, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
    function = program.functions["main"]
    known = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in inputs.items()}
    with torch.inference_mode():
        for operation in function.operations:
            if operation.op_type != "const":
                execute(operation, known)
    return [known[name].numpy() for name in outputs]


def execute(operation: Any, known: dict[str, torch.Tensor]) -> None:
    if operation.op_type.startswith("constexpr"):
        known[operation.outputs[0].name] = tensor(operation.materialized_val_inference())
        return
    if operation.op_type not in OPERATIONS:
        raise NotImplementedError(f"the interpreter of Core ML programs knows no operation {operation.op_type}")
    given = {name: value_of(value, known) for name, value in operation.inputs.items() if value is not None}
    result = OPERATIONS[operation.op_type](**given)
    for output, value in zip(operation.outputs, result if isinstance(result, list) else [result], strict=True):
        known[output.name] = value


def value_of(value: Any, known: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list | tuple):
        return [value_of(one, known) for one in value]
    return known.get(value.name, value.val)


def tensor(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))


def numbers(value: Any, default: Sequence[int] = ()) -> list[int]:
    return list(default) if value is None else [int(one) for one in np.asarray(value).reshape(-1)]


def both(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x, y: function(tensor(x), tensor(y))


def one(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x, **_: function(tensor(x))


def reduced(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x, axes=None, keep_dims=False: function(tensor(x), numbers(axes, range(tensor(x).ndim)), keepdim=bool(keep_dims))


def padding(pad: Any, pad_type: Any, size: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
    """As torch wants it: left, right, top, bottom."""
    if pad_type == "custom":
        top, bottom, left, right = numbers(pad)
        return [left, right, top, bottom]
    if pad_type == "valid":
        return [0, 0, 0, 0]
    whole = [max((-(-side // stride) - 1) * stride + span - side, 0) for side, span, stride in zip(size, kernel, strides, strict=True)]
    return [whole[1] // 2, whole[1] - whole[1] // 2, whole[0] // 2, whole[0] - whole[0] // 2]


def conv(x: torch.Tensor, weight: Any, bias: Any = None, strides: Any = None, pad_type: Any = "valid", pad: Any = None, dilations: Any = None, groups: Any = 1) -> torch.Tensor:
    kernel, stride = tensor(weight), numbers(strides, (1, 1))
    padded = functional.pad(x, padding(pad, str(pad_type), x.shape[2:], kernel.shape[2:], stride))
    return functional.conv2d(padded, kernel, None if bias is None else tensor(bias), stride, 0, numbers(dilations, (1, 1)), int(groups))


def conv_transpose(x: torch.Tensor, weight: Any, bias: Any = None, strides: Any = None, pad_type: Any = "valid", pad: Any = None, dilations: Any = None, groups: Any = 1, output_shape: Any = None) -> torch.Tensor:
    if any(padding(pad, str(pad_type), (1, 1), (1, 1), (1, 1))):
        raise NotImplementedError("the interpreter of Core ML programs knows no conv_transpose with padding")
    return functional.conv_transpose2d(x, tensor(weight), None if bias is None else tensor(bias), numbers(strides, (1, 1)), groups=int(groups), dilation=numbers(dilations, (1, 1)))


def pool(x: torch.Tensor, kernel_sizes: Any, strides: Any = None, pad_type: Any = "valid", pad: Any = None, ceil_mode: Any = False) -> torch.Tensor:
    kernel = numbers(kernel_sizes)
    stride = numbers(strides, kernel)
    padded = functional.pad(x, padding(pad, str(pad_type), x.shape[2:], kernel, stride), value=-torch.inf)
    return functional.max_pool2d(padded, kernel, stride, ceil_mode=bool(ceil_mode))


def average(x: torch.Tensor, kernel_sizes: Any, strides: Any = None, pad_type: Any = "valid", pad: Any = None, exclude_padding_from_average: Any = False, ceil_mode: Any = False) -> torch.Tensor:
    kernel = numbers(kernel_sizes)
    stride = numbers(strides, kernel)
    sides = padding(pad, str(pad_type), x.shape[2:], kernel, stride)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(functional.pad(values, sides), kernel, stride, ceil_mode=bool(ceil_mode))

    return mean(x) / mean(torch.ones_like(x)) if exclude_padding_from_average else mean(x)


def padded(x: torch.Tensor, pad: Any, mode: Any = "constant", constant_val: Any = 0) -> torch.Tensor:
    """The pairs are of the last dimensions, in their order; torch wants the last one first."""
    sides = np.asarray(pad).reshape(-1, 2)[::-1].reshape(-1).tolist()
    if str(mode) == "constant":
        return functional.pad(tensor(x), sides, value=float(constant_val))
    return functional.pad(tensor(x), sides[:4], mode=str(mode))


def sliced(x: torch.Tensor, begin: Any, end: Any, stride: Any = None, begin_mask: Any = None, end_mask: Any = None, squeeze_mask: Any = None) -> torch.Tensor:
    first, last, steps = numbers(begin), numbers(end), numbers(stride, [1] * x.ndim)
    free_first, free_last, squeezed = (numbers(mask, [0] * x.ndim) for mask in (begin_mask, end_mask, squeeze_mask))
    index = [first[i] if squeezed[i] else slice(None if free_first[i] else first[i], None if free_last[i] else last[i], steps[i]) for i in range(x.ndim)]
    return x[tuple(index)]


def matmul(x: Any, y: Any, transpose_x: Any = False, transpose_y: Any = False) -> torch.Tensor:
    a, b = tensor(x), tensor(y)
    return (a.mT if transpose_x else a) @ (b.mT if transpose_y else b)


def layer_norm(x: torch.Tensor, axes: Any, gamma: Any = None, beta: Any = None, epsilon: Any = 1e-5) -> torch.Tensor:
    weight, bias = (None if one is None else tensor(one) for one in (gamma, beta))
    return functional.layer_norm(x, [x.shape[i] for i in numbers(axes)], weight, bias, float(epsilon))


def gather(x: Any, indices: Any, axis: Any = 0, **_: Any) -> torch.Tensor:
    values, at, dim = tensor(x), tensor(indices).long(), int(axis)
    return values.index_select(dim, at.reshape(-1)).reshape(*values.shape[:dim], *at.shape, *values.shape[dim + 1 :])


def topk(x: torch.Tensor, k: Any = 1, axis: Any = -1, ascending: Any = False, **_: Any) -> list[torch.Tensor]:
    values, at = torch.topk(x, int(k), int(axis), largest=not bool(ascending))
    return [values, at.int()]


def split(x: torch.Tensor, axis: Any, num_splits: Any = None, split_sizes: Any = None) -> list[torch.Tensor]:
    dim = int(axis)
    return list(torch.split(x, numbers(split_sizes) if split_sizes is not None else x.shape[dim] // int(num_splits), dim))


def cumsum(x: torch.Tensor, axis: Any = 0, exclusive: Any = False, reverse: Any = False) -> torch.Tensor:
    if exclusive or reverse:
        raise NotImplementedError("the interpreter of Core ML programs knows no cumsum that is exclusive or in reverse")
    return tensor(x).cumsum(int(axis))


def bilinear(x: torch.Tensor, scale_factor_height: Any = 1, scale_factor_width: Any = 1, align_corners: Any = False, **_: Any) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=(float(scale_factor_height), float(scale_factor_width)), mode="bilinear", align_corners=bool(align_corners))


def gelu(x: torch.Tensor, mode: Any = "EXACT") -> torch.Tensor:
    return functional.gelu(x, approximate="none" if str(mode) == "EXACT" else "tanh")


OPERATIONS: dict[str, Callable[..., Any]] = {
    "abs": one(torch.abs), "floor": one(torch.floor), "identity": one(lambda x: x), "logical_not": one(torch.logical_not), "relu": one(torch.relu), "round": one(torch.round),
    "sigmoid": one(torch.sigmoid), "silu": one(functional.silu), "sqrt": one(torch.sqrt), "square": one(torch.square), "tanh": one(torch.tanh), "exp": one(torch.exp),
    "erf": one(torch.erf), "log": lambda x, epsilon=1e-45: torch.log(tensor(x) + float(epsilon)), "relu6": one(functional.relu6), "softplus": one(functional.softplus), "ceil": one(torch.ceil),
    "leaky_relu": lambda x, alpha=0.01: functional.leaky_relu(x, float(alpha)), "thresholded_relu": lambda x, alpha=1.0: torch.where(x >= float(alpha), x, torch.zeros_like(x)),
    "prelu": lambda x, alpha: functional.prelu(x, tensor(alpha)), "elu": lambda x, alpha=1.0: functional.elu(x, float(alpha)), "sigmoid_hard": lambda x, alpha=0.2, beta=0.5: (x * float(alpha) + float(beta)).clamp(0, 1),
    "add": both(torch.add), "sub": both(torch.sub), "mul": both(torch.mul), "real_div": both(torch.div), "floor_div": both(torch.floor_divide), "minimum": both(torch.minimum), "maximum": both(torch.maximum), "pow": both(torch.pow),
    "less": both(torch.lt), "less_equal": both(torch.le), "greater": both(torch.gt), "greater_equal": both(torch.ge), "equal": both(torch.eq), "not_equal": both(torch.ne),
    "logical_and": both(torch.logical_and), "logical_or": both(torch.logical_or),
    "reduce_max": reduced(torch.amax), "reduce_min": reduced(torch.amin), "reduce_mean": reduced(torch.mean), "reduce_sum": reduced(torch.sum), "reduce_l2_norm": reduced(lambda x, at, keepdim: torch.linalg.vector_norm(x, dim=at, keepdim=keepdim)),
    "reduce_argmax": lambda x, axis, keep_dims=False, **_: x.argmax(int(axis), keepdim=bool(keep_dims)).int(),
    "conv": conv, "conv_transpose": conv_transpose, "max_pool": pool, "avg_pool": average, "pad": padded, "linear": lambda x, weight, bias=None: functional.linear(x, tensor(weight), None if bias is None else tensor(bias)), "matmul": matmul,
    "layer_norm": layer_norm, "softmax": lambda x, axis=-1: x.softmax(int(axis)), "gelu": gelu, "clip": lambda x, alpha, beta: tensor(x).clamp(float(alpha), float(beta)),
    "batch_norm": lambda x, mean, variance, gamma=None, beta=None, epsilon=1e-5: functional.batch_norm(x, tensor(mean), tensor(variance), None if gamma is None else tensor(gamma), None if beta is None else tensor(beta), eps=float(epsilon)),
    "expand_dims": lambda x, axes: reduce(torch.unsqueeze, sorted(numbers(axes)), tensor(x)),
    "squeeze": lambda x, axes=None: reduce(torch.squeeze, sorted(numbers(axes), reverse=True), x) if axes is not None else x.squeeze(),
    "reshape": lambda x, shape: tensor(x).reshape(numbers(shape)), "transpose": lambda x, perm: tensor(x).permute(numbers(perm)), "shape": lambda x: torch.tensor(list(x.shape), dtype=torch.int32),
    "concat": lambda values, axis, interleave=False: torch.cat([tensor(v) for v in values], int(axis)), "stack": lambda values, axis: torch.stack([tensor(v) for v in values], int(axis)),
    "split": split, "slice_by_index": sliced, "tile": lambda x, reps: tensor(x).repeat(numbers(reps)), "gather": gather, "cumsum": cumsum, "topk": topk,
    "gather_along_axis": lambda x, indices, axis=0, **_: torch.gather(tensor(x), int(axis), tensor(indices).long()),
    "cast": lambda x, dtype: tensor(x).to(DTYPES[str(dtype)]), "fill_like": lambda ref_tensor, value: torch.full_like(ref_tensor, float(value)), "fill": lambda shape, value: torch.full(numbers(shape), float(value)),
    "inverse": lambda x, epsilon=1e-4: 1 / (tensor(x) + float(epsilon)), "rsqrt": lambda x, epsilon=1e-12: torch.rsqrt(tensor(x) + float(epsilon)), "select": lambda cond, a, b: torch.where(tensor(cond).bool(), tensor(a), tensor(b)),
    "upsample_nearest_neighbor": lambda x, scale_factor_height=1, scale_factor_width=1: functional.interpolate(x, scale_factor=(float(scale_factor_height), float(scale_factor_width)), mode="nearest"),
    "upsample_bilinear": bilinear,
    "range_1d": lambda start, end, step: torch.arange(float(start), float(end), float(step)),
}
