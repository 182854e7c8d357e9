package pickles

import (
	"regexp"
	"strings"
)

// allowed are the names that weights, arrays and plain containers are made of. None of
// them runs what it is given. torch.load(weights_only=True) has a list of the same kind.
var allowed = func() map[Global]bool {
	names := map[Global]bool{}
	for module, of := range map[string]string{
		"collections":            "OrderedDict defaultdict Counter deque",
		"builtins":               "set frozenset bytearray complex int float bool str bytes list dict tuple slice range object",
		"__builtin__":            "set frozenset bytearray complex int float bool str bytes list dict tuple slice xrange object unicode long",
		"_codecs":                "encode",
		"copyreg":                "_reconstructor",
		"copy_reg":               "_reconstructor",
		"datetime":               "datetime date time timedelta timezone",
		"pathlib":                "Path PosixPath WindowsPath PurePosixPath PureWindowsPath PurePath",
		"numpy":                  "ndarray dtype bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 str_",
		"numpy.core.multiarray":  "_reconstruct scalar",
		"numpy._core.multiarray": "_reconstruct scalar",
		"numpy.core.numeric":     "_frombuffer",
		"numpy._core.numeric":    "_frombuffer",
		"torch": "Size Tensor device dtype FloatStorage HalfStorage DoubleStorage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage BFloat16Storage " +
			"ComplexFloatStorage ComplexDoubleStorage QUInt8Storage QInt8Storage QInt32Storage QUInt4x2Storage QUInt2x4Storage " +
			"per_tensor_affine per_channel_affine float16 float32 float64 bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool",
		"torch._utils":        "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_sparse_tensor _rebuild_parameter _rebuild_parameter_with_state _rebuild_qtensor _rebuild_meta_tensor_no_storage",
		"torch.storage":       "UntypedStorage TypedStorage",
		"torch.nn.parameter":  "Parameter Buffer",
		"torch._tensor":       "_rebuild_from_type_v2",
		"torch.serialization": "_get_layout",
		"torch.torch_version": "TorchVersion",
		"torch.jit._pickle":   "build_intlist build_doublelist build_boollist build_tensorlist",
	} {
		for name := range strings.FieldsSeq(of) {
			names[Global{module, name}] = true
		}
	}
	return names
}()

// Global is a name that a pickle has loaded.
type Global struct{ Module, Name string }

// String is the name as Python writes it.
func (g Global) String() string { return g.Module + "." + g.Name }

// Names are those that a framework's own loader takes.
type Names func(Global) bool

// Arguments are a training's, as argparse parsed them: an object without code that timm,
// DETR and others keep beside the tensors.
func Arguments(g Global) bool { return g == Global{"argparse", "Namespace"} }

// Ultralytics saves whole models. These are the modules whose classes its restricted
// loader makes (_SafeLoad of ultralytics/nn/tasks.py), without its aliases of old versions.
func Ultralytics(g Global) bool {
	switch g.String() {
	case "builtins.getattr", "ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace":
		return true // getattr of parts of models alone, when it is loaded
	}
	return class.MatchString(g.Name) && module.MatchString(g.Module)
}

var (
	class  = regexp.MustCompile(`^[A-Z]\w*$`)
	module = regexp.MustCompile(`^(?:torch\.nn\.modules(?:\.\w+)?|ultralytics\.(?:yolo\.)?nn\.(?:modules(?:\.\w+)?|tasks|text_model|distill_model)|ultralytics\.utils\.(?:loss|tal)|torchvision\.transforms(?:\.\w+)?|pathlib\._local)$`)
)

// Allowed says whether weights may load it.
func (g Global) Allowed() bool { return allowed[g] }
