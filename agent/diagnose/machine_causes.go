package diagnose

import "github.com/vision-platform/trainer-agent/contract"

const shmHint = "Use fewer workers{num_workers}, a smaller batch_size{batch_size}, or mount a larger /dev/shm."

// machineCauses are limits and faults of the machine. A row stands before the
// rows that could mistake its text for theirs.
var machineCauses = []cause{
	{
		code: contract.CodeGPUError, like: re(`(?i)uncorrectable (NVLink|ECC) error|uncorrectable ECC`),
		message: "The GPU's memory has an uncorrectable ECC error.", hint: "Run again on another machine.",
	}, {
		code: contract.CodeGPULost, like: re(`(?i)GPU is lost|fallen off the bus|Unable to determine the device handle for GPU`),
		message: "The GPU dropped off the PCIe bus.", hint: "Run again on another machine.",
	}, {
		code: contract.CodeCUDAOOM, like: re(`torch\.OutOfMemoryError|cuda\.OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation|MPS backend out of memory|HIP out of memory|CUDA_ERROR_OUT_OF_MEMORY`),
		message: "Out of GPU memory. Try reducing batch_size{batch_size}.", hint: "A smaller image_size{image_size} or model helps too.",
	}, {
		code: contract.CodeShmTooSmall, like: re(`unable to (?:write to|mmap \d+ bytes from|allocate shared memory\(shm\) for) file <?/?torch_\d|unable to (?:resize|allocate) shared memory|creating shared memory segment /dev/shm/nccl|/dev/shm/\S* ?(?:\(size \d+\))?.{0,40}No space left on device|No space left on device: '?/(?:dev/shm|psm_|torch_)|No space left on device.{0,40}/dev/shm`),
		message: "Shared memory (/dev/shm) is too small for the data loader's workers.", hint: shmHint,
	}, {
		code: contract.CodeShmTooSmall, like: re(`Unexpected bus error encountered in worker|worker.{0,40}is killed by signal: Bus error`), inferred: true,
		message: "Shared memory (/dev/shm) is too small for the data loader's workers.", hint: shmHint,
	}, {
		code: contract.CodeTrainingFailed, like: re(`(?i)Too many open files|received 0 items of ancdata`),
		message: "The training opened more files than the container allows (too many open files).",
		hint:    "Use fewer workers{num_workers} or raise the container's nofile limit.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeDiskFull, like: re(`(?i)No space left on device|disk quota exceeded|\[Errno (?:28|122)\]|database or disk is full`),
		message: "The disk is full.", hint: "Ask for a larger disk, or keep fewer checkpoints (CHECKPOINT_FREQUENCY).",
	}, {
		code: contract.CodeHostOOM, like: re(`DefaultCPUAllocator: (?:can't allocate memory|not enough memory)|(?:^|\.)_?(?:Array)?MemoryError\b|Unable to allocate [\d.]+ [KMGTP]iB for an array|Cannot allocate memory|std::bad_alloc|Out of memory: Kill(?:ed)? process|oom-kill event|Memory cgroup out of memory`),
		message: "The container ran out of memory.", hint: "Use fewer workers{num_workers}, do not cache the dataset in memory, or ask for more memory.",
	}, {
		code: contract.CodeGPUError, like: re(`No CUDA GPUs are available|Found no NVIDIA driver|no CUDA-capable device is detected|Torch not compiled with CUDA enabled|torch\.cuda\.is_available\(\): False|Invalid CUDA '--device`),
		message: "The training asked for a GPU, but the container has none that works.",
		hint:    "Give the job a GPU, check the node's driver, or set DEVICE=cpu.", kind: contract.FailureSystem, final: true,
	}, {
		code: contract.CodeGPUError, like: re(`(?i)NVIDIA driver on your system is too old|driver version is insufficient for CUDA runtime|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|forward compatibility was attempted on non supported HW|Driver/library version mismatch`),
		message: "The node's NVIDIA driver does not fit the image's CUDA.", hint: "Update the driver or use an image with an older CUDA.",
		kind: contract.FailureSystem, final: true,
	}, {
		code: contract.CodeGPUError, like: re(`(?i)CUDA-capable device\(s\) is/are busy or unavailable|CUDA error: (?:unknown error|system not yet initialized|initialization error|hardware stack error)|CUDA unknown error|cudaErrorSystemNotReady`),
		message: "The GPU could not be used: ${0}.", hint: "Run again on another machine.",
	}, {
		code: contract.CodeTrainingFailed, like: re(`no kernel image is available for execution on the device|not compatible with the current PyTorch installation`),
		message: "The image's PyTorch has no code for this GPU.", hint: "Use an image built for this GPU's architecture.", kind: contract.FailureSystem,
	}, {
		code: contract.CodeTrainingFailed, like: re(`(?i)(?:CUDA error: )?an illegal memory access was encountered|misaligned address|CUDA error: unspecified launch failure|illegal instruction was encountered`),
		message: "A GPU kernel made an illegal memory access.",
		hint:    "It is most often a bug in a CUDA kernel or an index out of range; run with CUDA_LAUNCH_BLOCKING=1 to see where. On several jobs of one machine, suspect the GPU.",
	},
}
