package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// isNoLack: the library is there and may not be read, or TensorFlow looked for one that it
// can do without.
const isNoLack = `Could not load dynamic library|shared object file: (?:Permission|Operation|Too many|Input)`

// packageCauses are what the image lacks, and what its libraries say of the GPU.
var packageCauses = []cause{
	{
		code: contract.CodeTrainingFailed, like: pattern.Of(`(libcuda\.so[.\d]*|libnvidia-\w+\.so[.\d]*): cannot open shared object file`), unless: pattern.Of(isNoLack),
		message: "The driver's library ${1} is not in the container.", kind: contract.FailureSystem,
		hint: "It belongs to the node's NVIDIA driver and is never installed in the image: the container runtime mounts it where the job has a GPU and the runtime is nvidia's.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(lib(?:cudart|cublas\w*|cudnn\w*|cufft\w*|curand|cusolver|cusparse\w*|nvrtc[\w-]*|nccl|nvJitLink|nvToolsExt)\.so[.\d]*): cannot open shared object file`), unless: pattern.Of(isNoLack),
		message: "The CUDA library ${1} is not in the image.", hint: "A package was built for another CUDA: install the version that was built for the image's, or use an image that has this library.", kind: contract.FailureUser,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(\S*\.so[.\d]*): cannot open shared object file`), unless: pattern.Of(isNoLack),
		message: "The image lacks the system library ${1}.", hint: "Install it in the trainer's Dockerfile (libGL.so.1: use opencv-python-headless).", kind: contract.FailureUser,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`CU(?:DNN|BLAS)_STATUS_(?:\w*VERSION_MISMATCH|\w*ARCH_MISMATCH|NOT_SUPPORTED\w*|BAD_PARAM\w*|INVALID_VALUE)`),
		message: "A GPU library refused a call (cuDNN or cuBLAS): ${0}.", hint: "Check that the framework, cuDNN and CUDA in the image belong together and know this GPU, and the types and shapes of the tensors.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`Unable to find a valid cuDNN algorithm|CUDNN_STATUS_\w+|CUBLAS_STATUS_\w+`),
		message: "A GPU library call failed (cuDNN or cuBLAS): ${0}.", hint: "Too little GPU memory is the usual reason: try reducing BATCH_SIZE{batch_size}.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`PytorchStreamWriter failed writing file \S+ file write failed|unexpected pos \d+ vs \d+`),
		message: "A checkpoint could not be written: ${0}.", hint: "A full disk or a quota is the usual reason.",
	}, {
		// Python names the package alone where it is not installed
		code: contract.CodeTrainingFailed, like: pattern.Of(`ModuleNotFoundError: No module named '([^'.]+)\.([^']+)'`),
		message: "The package ${1} is there, but it has no module ${1}.${2}.", hint: "Pin the version or build of ${1} that has it in the trainer's requirements.txt; where ${1} is the script's own, check that the image has all of it.",
	}, {
		// not on PyPI: whoever installs that name from there gets a stranger's code
		code: contract.CodeTrainingFailed, like: pattern.Of(`ModuleNotFoundError: No module named '(trainer_(?:sdk|vision))'`),
		message: "The SDK of trainer-agent (${1}) is not there for this Python.", hint: "Install trainer-agent's wheel beside the trainer's requirements, or keep the folder ${1}/ that trainer-agent init writes beside the script.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`ModuleNotFoundError: No module named '([^']+)'`),
		message: "The Python module ${1} is missing from the image.", hint: "Add it to the trainer's requirements.txt; at a desk run the Python that has those, such as .venv/bin/python.",
	},
}
