package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// pair is a cause that takes two facts: an exception that alone says too little,
// and a line that explains it.
type pair struct {
	exception *pattern.Pattern
	stack     *pattern.Pattern // must be in the exception's traceback too, when given
	unless    *pattern.Pattern // must not be in the exception or its traceback, when given
	line      *pattern.Pattern
	cause     cause // its expression is line
}

// otherHost: the exception itself says with whom or for what it spoke.
var otherHost = pattern.Of(`host='|` + otherTraffic.String())

var pairs = []pair{
	{
		exception: pattern.Of(`not enough values to unpack \(expected 3, got 0\)|No valid images found|labels? .*empty`),
		line:      pattern.Of(`([^/\\\s]{1,100}): ignoring corrupt image/label: ([^\n]{1,200})`),
		cause: cause{
			code: contract.CodeDatasetInvalid, message: "The trainer could use no image of the dataset (${1}: ${2}).",
			hint: "Check the class list and the annotations.",
		},
	}, { // Lightning ends its training in peace where there is no batch, and the script fails at what should have come of it
		exception: pattern.Of(`IsADirectoryError|FileNotFoundError|(?i:checkpoint)`), stack: pattern.Of(`(?i)best_model_path|load_from_checkpoint|ckpt_path`),
		line: pattern.Of(`(?i:\bno (?:images?|samples?|files?|data) (?:were |was )?found (?:in|at|under|below) [^\s]{1,200}[^\s.,])|Total length of .DataLoader. across ranks is zero|.Trainer\.fit. stopped: No training batches`),
		cause: cause{
			code: contract.CodeDatasetInvalid, message: "A split of the dataset is empty: ${0}.", hint: "Nothing was trained, so there is no checkpoint. " + checkDataset,
		},
	}, { // the traceback shows the network library only; the lines name what was asked for
		exception: offline, stack: network, unless: otherHost,
		line: pattern.Of(`(?:host='(?:[\w-]+\.)*(?:huggingface\.co|hf\.co)'.{0,80}url: /|https://(?:[\w-]+\.)*(?:huggingface\.co|hf\.co)/)[\w.-]+(?:/[\w.-]+)?/(?:resolve/|[0-9a-f]{20,})|download\.pytorch\.org/models/|releases/download/\S+\.(?:pth?|h5|safetensors)`),
		cause: cause{
			code: contract.CodeWeightsUnavailable, unless: otherTraffic,
			message: "The pretrained weights could not be downloaded: {short}.", kind: contract.FailureSystem,
			hint: noInternet + bringWeights,
		},
	}, { // timm's exception has no words
		exception: pattern.Of(`^FileNotFoundError$`),
		line:      pattern.Of(`No checkpoint found at '([^'\n]{1,200})'`),
		cause: cause{
			code: contract.CodeWeightsUnavailable, message: "The weights ${1} are not there.", hint: whereWeights + ".",
		},
	}, { // cv2.imread gives None for what it can't read, and warns
		exception: pattern.Of(`'NoneType' object (?:has no attribute '(?:shape|size|ndim|copy|astype)'|is not subscriptable)`),
		line:      pattern.Of(`imread_\('([^'\n]{1,200})'\): can't open/read file`),
		cause: cause{
			code: contract.CodeDatasetInvalid, message: "An image of the dataset can't be read: ${1}.",
			hint: "OpenCV found no file there that it can open: check the path and the file.",
		},
	}, { // CUDA's own words are those of whatever call came first after the GPU was gone
		exception: pattern.Of(`CUDA error|cuda runtime error|NCCL error|CUDNN_STATUS|CUBLAS_STATUS|CUDA_ERROR`),
		line:      pattern.Of(`GPU is lost|fallen off the bus|Unable to determine the device handle for GPU`),
		cause: cause{
			code: contract.CodeGPULost, message: "The GPU dropped off the PCIe bus.", hint: "Run again on another machine.",
		},
	}, { // NCCL names the reason in a warning only
		exception: ncclError,
		line:      pattern.Of(`Cuda failure (?:\d+ )?'?out of memory`),
		cause: cause{
			code: contract.CodeCUDAOOM, message: "Out of GPU memory, while NCCL set up its buffers. Try reducing batch_size{batch_size}.",
			hint: "A smaller IMAGE_SIZE{image_size} or model helps too.",
		},
	}, {
		exception: pattern.Of(`Dataset not found`),
		line:      pattern.Of(`[Dd]ataset not found[^\n]{0,9}(?:nonexistent|missing) paths?:? ?([^\n]{1,200})`),
		cause: cause{
			code: contract.CodeDatasetInvalid, message: "The trainer found no images at ${1}.", hint: checkDataset,
		},
	}, {
		exception: pattern.Of(`Invalid CUDA 'device=`),
		line:      pattern.Of(`torch\.cuda\.is_available\(\): False`),
		cause: cause{
			code: contract.CodeGPUError, message: "The training asked for a GPU, but the container has none that works.",
			hint: "Give the job a GPU, check the node's driver, or set DEVICE=cpu.", kind: contract.FailureSystem, needsGPU: true,
		},
	}, {
		exception: pattern.Of(`Invalid CUDA 'device=`),
		line:      pattern.Of(`Invalid CUDA 'device=[^']*' requested`),
		cause: cause{
			code: contract.CodeConfigInvalid, message: "The job asked for a GPU that is not there: ${0}.", hint: "Check DEVICE.",
		},
	},
}

func (p pair) tells(x logtext.Exception) bool {
	all := x.Text() + "\n" + x.Stack()
	return p.exception.Match(x.Text()) &&
		(p.stack == nil || p.stack.Match(all)) &&
		(p.unless == nil || !p.unless.Match(all))
}

// knownPair reads the whole tail, warnings included: they explain the exception.
func knownPair(c findings) *contract.Failure {
	for _, p := range pairs {
		for _, x := range c.exceptions {
			if !p.tells(x) {
				continue
			}
			row := p.cause
			row.like = p.line
			if l, ok := c.log.Mentions(p.line); ok && row.fits(c.Settings, l, l) {
				return fail(c, row, l, &x).WithEvidence(l).WithEvidence(quoteOf(x)...)
			}
		}
	}
	return nil
}
