package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	shmHint  = "Use fewer workers{num_workers}, a smaller BATCH_SIZE{batch_size}, or mount a larger /dev/shm."
	onDevice = `RESOURCE_EXHAUSTED: Out of memory|Failed to allocate memory for requested buffer`
	diskHint = "Ask for a larger disk, or keep fewer checkpoints (CHECKPOINT_FREQUENCY)."
)

// machineCauses are limits and faults of the machine. A row stands before the
// rows that could mistake its text for theirs.
var machineCauses = []cause{
	{
		code: contract.CodeGPUError, like: pattern.Of(`(?i)uncorrectable (NVLink|ECC) error|uncorrectable ECC`), unless: pattern.Of(`(?i)\b(?:no|0) uncorrectable|errors?\W{1,9}0\b`), // a report of none
		message: "The GPU's memory has an uncorrectable ECC error.", hint: "Run again on another machine.",
	}, {
		code: contract.CodeGPULost, like: pattern.Of(`(?i)GPU is lost|fallen off the bus|Unable to determine the device handle for GPU`),
		message: "The GPU dropped off the PCIe bus.", hint: "Run again on another machine.",
	}, {
		code: contract.CodeCUDAOOM, like: pattern.Of(`torch\.OutOfMemoryError|cuda\.OutOfMemoryError|CUDA out of memory|CUDA OOM\b|CUDA (?:driver )?[Ee]rror: out of memory|CUDA failed with error out of memory|initialization on GPU:\d+ failed\. Status: out of memory|cuda(?: runtime)? error \(2\)|cudaErrorMemoryAllocation|(?:MPS backend|HIP|XPU|NPU|MLU|MUSA|HPU) out of memory|\[CUDA\] out of memory|Cuda Runtime \(out of memory\)|^Error out of memory at line \d+ in file \S+\.cu|RESOURCE_EXHAUSTED: Attempting to (?:allocate|reserve)|(?:CUDA|HIP)_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory` +
			// TensorFlow, JAX, Paddle, CuPy and MXNet
			`|OOM when allocating tensor[^\n]*(?:GPU:\d|GPU_\d)|(?i:out of memory error on (?:gpu|device))|paddle::memory::allocation::BadAlloc|cupy\S*OutOfMemoryError|cudaMalloc\w*(?: retry)? failed: out of memory|CUBLAS_STATUS_ALLOC_FAILED[^\n]*out of memory|Dst tensor is not initialized`),
		unless:  pattern.Of(`allocator cpu|device:CPU:|running low on memory`),
		message: "Out of GPU memory. Try reducing batch_size{batch_size}.", hint: "A smaller IMAGE_SIZE{image_size} or model helps too.",
	}, { // whatever the framework calls it: it is the GPU's where nothing says that it is the host's
		code: contract.CodeCUDAOOM, like: pattern.Of(`(?:^|\.|\()(?:OutOfMemoryError|ResourceExhaustedError|CUDAOutOfMemoryError|OutOfMemory)\b`), needsGPU: true, raised: true,
		unless:  pattern.Of(`(?i)\bcpu\b|host memory|running low on memory|MemoryError: Unable|object_store|\bRAM\b|\bjava\.|No space left|in function 'OutOfMemoryError'`),
		message: "Out of GPU memory. Try reducing batch_size{batch_size}.", hint: "A smaller IMAGE_SIZE{image_size} or model helps too.",
	}, { // the mapping is refused before /dev/shm is asked: too little memory, or too many maps
		code: contract.CodeHostOOM, like: pattern.Of(`unable to mmap \d+ bytes from file <?/?torch_\d+[^\n]{0,40}Cannot allocate memory`),
		message: "The container ran out of memory, or of memory maps (vm.max_map_count).", hint: "Use fewer workers{num_workers}, keep fewer tensors in the dataset object, or ask for more memory.",
	}, { // JAX and ONNX Runtime say the same of the host
		code: contract.CodeCUDAOOM, like: pattern.Of(onDevice), needsGPU: true, unless: pattern.Of(`allocator cpu|device:CPU:`),
		message: "Out of GPU memory. Try reducing batch_size{batch_size}.", hint: "A smaller IMAGE_SIZE{image_size} or model helps too.",
	}, { // TensorFlow's allocator, where the line does not name the device
		code: contract.CodeCUDAOOM, like: pattern.Of(`(?:Resource exhausted|RESOURCE_EXHAUSTED): OOM when allocating tensor|ran out of memory trying to allocate`), needsGPU: true,
		unless:  pattern.Of(`(?i)\bcpu\b|not a failure|host`),
		message: "Out of GPU memory. Try reducing batch_size{batch_size}.", hint: "A smaller IMAGE_SIZE{image_size} or model helps too.",
	}, {
		code: contract.CodeShmTooSmall, like: pattern.Of(`unable to (?:write to|mmap \d+ bytes from|allocate shared memory\(shm\) for) file <?/?torch_\d|unable to (?:resize|allocate) shared memory|unable to open shared memory object [^\n]{0,80}No space left|creating shared memory segment /dev/shm/nccl|/dev/shm/\S* ?(?:\(size \d+\))?.{0,40}No space left on device|No space left on device: '?/(?:dev/shm|psm_|torch_)|No space left on device.{0,40}/dev/shm`),
		message: "Shared memory (/dev/shm) is too small for the data loader's workers.", hint: shmHint,
	}, { // semaphores and shared arrays of multiprocessing lie in /dev/shm whatever their message says
		code: contract.CodeShmTooSmall, like: pattern.Of(`(?i)No space left on device|\[Errno 28\]`),
		stack:   pattern.Of(`SemLock|multiprocessing/(?:synchronize|heap|shared_memory|sharedctypes)|_posixshmem|shm_open|storage\.py.{0,80}_share_|_new_shared|_new_using_f`),
		message: "Shared memory (/dev/shm) is too small for the data loader's workers.", hint: shmHint,
	}, {
		code: contract.CodeShmTooSmall, like: pattern.Of(`(?i:unexpected bus error encountered in)|may be caused by insufficient shared storage space|worker.{0,40}is killed by signal: Bus error`), inferred: true,
		message: "Shared memory (/dev/shm) is too small for the data loader's workers.", hint: shmHint,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(?i)Too many open files|received 0 items of ancdata`),
		message: "The training opened more files than the container allows (too many open files).",
		hint:    "Use fewer workers{num_workers} or raise the container's nofile limit.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeDiskFull, like: pattern.Of(`(?i)disk quota exceeded|\[Errno 122\]`),
		message: "The disk's quota is used up.", hint: diskHint,
	}, {
		code: contract.CodeDiskFull, like: pattern.Of(`(?i)No space left on device|\[Errno 28\]|database or disk is full|Not enough (?:free )?disk space(?:\. Needed| to download)|^OSError: \d+ requested and \d+ written`), unless: pattern.Of(`inotify|/sys/fs/cgroup/`),
		message: "The disk is full.", hint: diskHint,
	}, {
		code: contract.CodeHostOOM, like: pattern.Of(`Unable to allocate ([\d.]+ [KMGTP]iB) for an array`),
		message: "The container ran out of memory: an array of ${1} found no room.", hint: "Load the data in parts or as a memory map, do not cache the dataset in memory, or ask for more memory.",
	}, { // here the job has no GPU
		code: contract.CodeHostOOM, like: pattern.Of(onDevice),
		message: "The container ran out of memory.", hint: "Use a smaller BATCH_SIZE{batch_size}, or ask for more memory.",
	}, {
		code: contract.CodeHostOOM, like: pattern.Of(`DefaultCPUAllocator: (?:can't allocate memory|not enough memory)|(?:^|\.)_?(?:Array)?MemoryError\b|Cannot allocate memory|std::bad_alloc|Out of memory: Kill(?:ed)? process|oom[-_]kill event|Memory cgroup out of memory|\bOOMKilled\b|OOM when allocating tensor[^\n]*(?:allocator cpu|device:CPU)|out of memory[^\n]{0,40}OOM killer|running low on memory|malloc of size \d+ failed|Memory allocation still failed after|LightGBMError: bad allocation|memory allocation of \d+ bytes failed|java\.lang\.OutOfMemoryError|Insufficient memory\) Failed to allocate|OutOfMemoryException: Out of Memory Error|NODE_OUT_OF_MEMORY|killed due to memory pressure`), unless: pattern.Of(`\bibv_\w+|unable to create (?:new )?native thread`), // limits of locked memory and of threads
		message: "The container ran out of memory.", hint: "Use fewer workers{num_workers}, do not cache the dataset in memory, or ask for more memory.",
	}, {
		code: contract.CodeGPUError, like: pattern.Of(`No CUDA GPUs are available|Found no NVIDIA driver|NVMLError_(?:DriverNotLoaded|LibraryNotFound)|NVML Shared Library Not Found|Call to cuInit results in CUDA_ERROR_NO_DEVICE|no CUDA-capable device is detected|Invalid CUDA '--device|No supported gpu backend found|No HIP GPUs are available|Attempting to deserialize object on a CUDA device but torch\.cuda\.is_available\(\) is False|Unable to initialize backend '(?:cuda|gpu|rocm)'|Unknown backend:? '?(?:cuda|gpu)|no supported devices found for platform CUDA`),
		message: "The training asked for a GPU, but the container has none that works.", needsGPU: true, unless: pattern.Of(`failed call to cuInit`), // TensorFlow looks for one in every run
		hint: "Give the job a GPU, check the node's driver, or set DEVICE=cpu.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeGPUError, like: pattern.Of(`Torch not compiled with CUDA enabled|PaddlePaddle[^\n]{0,80}not compiled with CUDA`),
		message: "The training asked for a GPU, but the container has none that works: the image's framework is built without CUDA.", needsGPU: true,
		hint: "Install the framework's build for CUDA in the image, or set DEVICE=cpu.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeGPUError, like: pattern.Of(`(?i)torch\.cuda\.is_available\(\): False|\b(?:cuda|gpu|gpuaccelerator|accelerator|rocm|hip)s?\b[^\n]{0,60}\b(?:(?:is |are )?(?:not |un)available|(?:is|are) required)|\bno (?:available )?(?:cuda|gpu|nvidia)[^\n]{0,30}(?:found|detected|available|visible)|(?:require|need)s? (?:a |an )?(?:cuda|gpu|nvidia)[^\n]{0,20}(?:device|gpu)?\b[^\n]{0,20}(?:to run|but|available|$)`),
		raised: true, needsGPU: true, unless: pattern.Of(`(?i)^ImportError|\bbindings\b|container-cli|\bbusy\b|precision|\bcuda[ -]?(?:toolkit|>|v?\d)|bf16|bfloat16|flash|kernel|torchvision|extension|capabilit|compute|version|only has|\bgraphs?\b|decod|encod|more memory|(?:argument|parameter) is`),
		message: "The training asked for a GPU, but the container has none that works: {short}.",
		hint:    "Give the job a GPU, check the node's driver, or set DEVICE=cpu.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeGPUError, like: pattern.Of(`(?i)NVIDIA driver on your system is too old|driver version is insufficient for CUDA runtime|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|provided PTX was compiled with an unsupported toolchain|CUDA_ERROR_UNSUPPORTED_PTX_VERSION|forward compatibility was attempted on non supported HW|Driver/library version mismatch|Error 80[34]: [^\n]+|unsupported display driver / cuda driver combination`),
		message: "The node's NVIDIA driver does not fit the image's CUDA: ${0}.", hint: "Update the driver or use an image with an older CUDA.",
		kind: contract.FailureSystem,
	}, {
		code: contract.CodeGPUError, like: pattern.Of(`(?i)CUDA-capable device(?:\(s\)|s) (?:is/are|are) busy or unavailable|(?:CUDA error|cuda runtime error \(\d+\) ?): (?:unknown error|system not yet initialized|hardware stack error)|CUDA unknown error|cudaErrorSystemNotReady|CUDA driver initialization failed|NVMLError_Unknown: [^\n]+|Error 802: [^\n]+|Unexpected error from cudaGetDeviceCount\(\)[^\n]*?Error \d+: [^\n]+|CUDA_ERROR_(?:NOT_INITIALIZED|SYSTEM_NOT_READY)`),
		message: "The GPU could not be used: ${0}.", hint: "Run again on another machine.",
	}, { // in a forked process it is the fork's fault: see advices
		code: contract.CodeGPUError, like: pattern.Of(`(?:CUDA error|cuda runtime error \(\d+\) ?): initialization error`), unless: pattern.Of(`in DataLoader worker|in _worker_loop|multiprocessing[/.]`),
		message: "The GPU could not be used: ${0}.", hint: "Run again on another machine.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(no kernel image is available for execution on the device|device kernel image is invalid|not compatible with the current PyTorch installation|hipErrorNoBinaryForGpu|(?:HIP error|CUDA error|cuda runtime error \(\d+\) ?): invalid device function|Unable to find code object for all current devices)`),
		message: "The image's PyTorch has no code for this GPU: ${1}.", hint: "Use an image built for this GPU's architecture.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(?i)(?:CUDA error: )?an illegal memory access was encountered|misaligned address|(?:CUDA error|error[ =(]+\d+\)? ?): unspecified launch failure|illegal instruction was encountered`),
		message: "A GPU kernel failed: ${0}.",
		hint:    "It is most often an illegal memory access, by a bug in a CUDA kernel or an index out of range; run with CUDA_LAUNCH_BLOCKING=1 to see where. On several jobs of one machine, suspect the GPU.",
	},
}
