package diagnose

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// advice is what to do about an exception whose own words say best what happened.
type advice struct {
	like  *pattern.Pattern // in the texts of the exception and of what it came from
	stack *pattern.Pattern // must be in the traceback too, when given
	hint  string
	kind  contract.FailureType // whose turn it is, "" for the user's
}

var (
	processLimit = pattern.Of(`can't start new thread|pthread_create failed|pthread_create: Resource temporarily|fork: (?:retry: )?Resource temporarily unavailable|Thread creation failed: Resource temporarily|Cannot fork|newosproc|failed to create new OS thread|uv_thread_create|unable to create (?:new )?native thread`)
	network      = pattern.Of(`urllib|requests|http[/.]client|httpx|httpcore|aiohttp|ssl\.py|/socket\.py|botocore|huggingface_hub|urlopen|wandb|fsspec`)
)

// compiling: the command that failed is a compiler's, so its failure is the cause itself.
var compiling = pattern.Of(`Command '\['\S*(?:gcc|g\+\+|clang(?:\+\+)?|cc|nvcc|ptxas|ninja)'`)

const (
	processHint = "The process limit counts threads too (pids.max of the container, or ulimit -u): use fewer workers{num_workers}, set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, or raise the limit."
	keysHint    = "Keys are withheld from the training on purpose: read the dataset at DATASET_DIR and write to OUTPUT_DIR, which the agent uploads, or pass them with AGENT_PASS_CREDENTIALS=true."
)

// advices are tried in their order.
var advices = []advice{
	{like: processLimit, hint: "The container's process limit is reached. " + processHint, kind: contract.FailureSystem},
	{like: pattern.Of(`\[Errno 11\] Resource temporarily unavailable`), stack: pattern.Of(`popen|fork|subprocess|_launch`), hint: "The container's process limit is reached. " + processHint, kind: contract.FailureSystem},
	{like: pattern.Of(`inotify (?:watch|instance) limit reached`), hint: "The machine's limit of watched files is reached (fs.inotify.max_user_watches): watch fewer files, or raise it there.", kind: contract.FailureSystem},
	{like: pattern.Of(`NoCredentialsError|Unable to locate credentials|PartialCredentialsError|CredentialRetrievalError|DefaultCredentialsError|InvalidAccessKeyId|Anonymous caller|InvalidToken\b.*S3|NoAuthHandlerFound|no EC2 IMDS role`), hint: keysHint},
	{like: pattern.Of(`ClientError: An error occurred \((?:40[13]|AccessDenied|Unauthorized|SignatureDoesNotMatch|ExpiredToken)\)|S3 operation failed; code: (?:AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch)|google\.api_core\.exceptions\.(?:Forbidden|Unauthorized)|google\.auth\.exceptions\.RefreshError`), hint: "The object store did not let the script in. " + keysHint},
	{like: pattern.Of(`api_key not configured|WANDB_API_KEY|wandb\S* login|wandb\.login|permission denied to access wandb`),
		hint: "W&B has no key: keys are withheld from the training unless AGENT_CHILD_ENV_ALLOW names them (WANDB_API_KEY). WANDB_MODE=offline trains without one."},
	{like: pattern.Of(`(?i)ClearML is not configured|NEPTUNE_API_TOKEN|COMET_API_KEY|CLEARML_API|api[ _]key\b.{0,40}(?:not|missing|required|must)`),
		hint: "The tracker has no key: keys are withheld from the training unless AGENT_CHILD_ENV_ALLOW names their variables."},
	{like: pattern.Of(`(?i)CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|certificate verify failed|self[- ]signed certificate|unable to get local issuer`), kind: contract.FailureSystem,
		hint: "The container does not trust the certificate that it was shown: add the proxy's certificate authority to the image, or set SSL_CERT_FILE and REQUESTS_CA_BUNDLE."},
	{like: pattern.Of(`Temporary failure in name resolution`), kind: contract.FailureTransient,
		hint: "A name could not be resolved, which is no fault of the script: run it again, or bring what it loads into the job; training containers often have no way to the internet."},
	{like: pattern.Of(`gaierror|getaddrinfo failed|Name or service not known|NameResolutionError|No address associated with hostname|nodename nor servname`), kind: contract.FailureSystem,
		hint: "A name could not be resolved: the container has no way to that host. Bring what the script loads into the job, or open the way."},
	{like: pattern.Of(`\[Errno 5\]|Input/output error|\[Errno 116\]|Stale (?:NFS )?file handle|\[Errno 121\]|Remote I/O error|Transport endpoint is not connected|Structure needs cleaning`), kind: contract.FailureTransient,
		hint: "The disk or the network file system below failed, not the script (a full file server can look like this too): run it again, and on one machine each time, suspect that machine."},
	{like: pattern.Of(`(?i)address already in use|EADDRINUSE|errno: 98\b|\[Errno 98\]`), kind: contract.FailureTransient,
		hint: "Another process holds the port: use a free one (between ranks MASTER_PORT, or torchrun --standalone)."},
	{like: pattern.Of(`(?:requests|urllib3|httpx|aiohttp|http)\S*\.(?:\w*(?:Timeout|ConnectionError|ProtocolError|RemoteDisconnected|ConnectError|ReadError|ChunkedEncodingError|ServerDisconnectedError|ClientError))|MaxRetryError|NewConnectionError|ConnectionRefusedError|Connection (?:aborted|refused|reset|timed out)|ConnectionResetError|IncompleteRead|RemoteDisconnected|URLError|TimeoutError|SSL\w*Error|FSTimeoutError|CommError: [^\n]{0,300}(?:[Tt]imed out|connection refused)`), stack: network, kind: contract.FailureTransient,
		hint: "A connection over the network broke, which is no fault of the script: run it again; trackers can work offline (WANDB_MODE=offline)."},
	{like: pattern.Of(`\b(?:429 Client|5\d\d Server) Error|HTTP Error (?:429|5\d\d)|Too Many Requests|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out|google\.api_core\.exceptions\.(?:ServiceUnavailable|DeadlineExceeded|RetryError|InternalServerError|GatewayTimeout)|ClientError: An error occurred \((?:SlowDown|RequestTimeout|InternalError|ServiceUnavailable|50[0-4])\)`), kind: contract.FailureTransient,
		hint: "The server that the script spoke to refused for now, which is no fault of the script: run it again, or bring what it loads into the job."},
	{like: pattern.Of(`\b(?:400|401|403|404|410) Client Error|HTTP Error (?:400|401|403|404|410)\b`),
		hint: "The server answered, but did not give it: check the address, and whether it asks for a login."},
	{like: pattern.Of(`\[Errno 30\]|Read-only file system`), hint: "Write below OUTPUT_DIR, and temporary files below TMPDIR: everything else may be read-only."},
	{like: pattern.Of(`getpwuid|uid not found|no such user|KeyError: 'USER'|cannot find name for user`),
		hint: "The user that the container runs as has no name: set USER and HOME (and TORCHINDUCTOR_CACHE_DIR) in the image, or add the user to /etc/passwd."},
	{like: pattern.Of(`(?i)failed to find C compiler|InvalidCxxCompiler|No working C\+\+ compiler|CUDA_HOME environment variable is not set|CUDA_HOME does not exist|Error building extension|Ninja is required|No such file or directory: '(?:gcc|g\+\+|cc|c\+\+|nvcc|ninja|/usr/local/cuda\S*nvcc)'|command '\S*(?:gcc|g\+\+|nvcc|ninja)' failed|` + compiling.String()),
		hint: "The script compiles code as it runs: install the compiler and Python's headers (build-essential, python3-dev, for CUDA the devel image) in the trainer's Dockerfile, or switch compilation off."},
	{like: pattern.Of(`EOF when reading a line`), hint: "The script waits for somebody's answer on a terminal, and a job has none: pass the answer as an argument or a setting."},
	{like: pattern.Of(`Cannot re-initialize CUDA in forked subprocess|(?:CUDA error|cuda runtime error \(\d+\) ?): initialization error`),
		hint: "Leave CUDA to the main process: return CPU tensors from the dataset, start the workers with multiprocessing_context=\"spawn\", or set NUM_WORKERS=0{num_workers}."},
	{like: pattern.Of(`Expected more than 1 value per channel when training`),
		hint: "A batch had one image, which BatchNorm cannot train on: use drop_last=True, or a BATCH_SIZE{batch_size} that leaves no rest of one."},
	{like: pattern.Of(`(?i)(?:bf16|bfloat16).{0,120}(?:support|require|ampere|not implemented|unsupported)|(?:support|require|not implemented for|unsupported).{0,60}(?:bf16|bfloat16)`),
		hint: "This GPU, or this build of the framework, has no bf16: use fp16 or full precision."},
	{like: pattern.Of(`numpy\.core\.multiarray failed|_ARRAY_API not found|numpy\.\w+ size changed|compiled using NumPy 1|numpy\.core\.umath failed`),
		hint: "A package was built for another NumPy: pin numpy<2, or versions built for the installed one, in the trainer's requirements.txt."},
	{like: pattern.Of(`GLIBC(?:XX)?_[\d.]+' not found`), hint: "A package was built for a newer system than the image's: use a newer base image, or a version built for this one."},
	{like: pattern.Of(`undefined symbol: `), hint: "A compiled package does not fit the installed torch: install the version that was built for it, or build it in the image."},
	{like: pattern.Of(`Weights only load failed|WeightsUnpickler error`), hint: "torch 2.6 loads only plain tensors unless told otherwise: save a state_dict, or call torch.load(..., weights_only=False) on files that you trust."},
	{like: pattern.Of(`Class values must be (?:smaller than num_classes|non-negative)|Target -?\d+ is out of bounds|Received a label value of -?\d+ which is outside the valid range|Assertion .cur_target >= 0`),
		hint: "A label's class index is not below the model's number of classes: check the class ids of the annotations and NUM_CLASSES."},
	{like: pattern.Of(`loaded state dict (?:has a different number of parameter groups|contains a parameter group that doesn't match)`), hint: "The state of the optimizer in the checkpoint is that of another model or of other parameter groups: resume with the script that saved it, or load the weights alone."},
	{like: pattern.Of(`Can't get attribute '`), stack: pattern.Of(`multiprocessing[/.]|reduction\.pickle`), hint: "A worker process loads the script again and does not find it there: define it at the top level of a file that can be imported."},
	{like: pattern.Of(`Can't get attribute '`), hint: "The weights were saved by code that this image does not have: install the library's version that wrote them."},
	{like: pattern.Of(`Expected to have finished reduction in the prior iteration|parameters that were not used in producing loss`), hint: "Some parameters took no part in the loss: DistributedDataParallel(..., find_unused_parameters=True), or let them take part."},
	{like: pattern.Of(`environment variable (?:RANK|WORLD_SIZE|LOCAL_RANK|MASTER_ADDR|MASTER_PORT) expected, but not set`), hint: "A launcher sets this variable: start the script with torchrun, or let it train without torch.distributed."},
	{like: pattern.Of(`waiting for clients\. \d+/\d+ clients joined|(?i:rendezvous)|C10d store|client socket has timed out`), hint: "Not as many processes came as were expected: check WORLD_SIZE, NNODES and that all reach MASTER_ADDR."},
	{like: pattern.Of(`NCCL error|ncclSystemError|ncclUnhandledCudaError|ncclInternalError`), hint: "The GPUs could not talk to each other: run it with NCCL_DEBUG=WARN and look at what NCCL prints before the error (/dev/shm, the network interface, a GPU that two processes share)."},
	{like: pattern.Of(`the launch timed out and was terminated`), hint: "A GPU kernel ran longer than the driver allows, as on a GPU that also drives a display: run it on another machine."},
	{like: pattern.Of(`is not in struct|MissingMandatoryValue|Missing mandatory value`), hint: "The script reads a setting that its configuration does not have: add the key, or correct its name."},
	{like: pattern.Of(`Attempting to deserialize object on a CUDA device|Torch not compiled with CUDA|No CUDA GPUs are available|Found no NVIDIA driver`), hint: "DEVICE is cpu, so the job has no GPU: load with map_location=DEVICE, and put nothing on \"cuda\"; or give the job a GPU and DEVICE=cuda."},
	{like: pattern.Of(`Couldn't reach (?:'[^']{1,200}' on the Hub|the Hugging Face Hub)`), kind: contract.FailureSystem,
		hint: "The training has no way to the internet: bring the dataset into the job (it is at DATASET_DIR) and load it from there."},
	{like: pattern.Of(`on the Hugging Face Hub either|Couldn't find a module script`), kind: contract.FailureSystem,
		hint: "It would be loaded from the Hugging Face Hub, to which a training container often has no way: bring it into the image or the job."},
	{like: pattern.Of(`data-dependent expression|GuardOnDataDependentSymNode|Data[- ]dependent (?:branching|jump)|Dynamic control flow is not supported`),
		hint: "The model's forward decides by the values of a tensor (an if, a loop or .item()), which no exported graph can: use torch.where or torch.cond, or export by tracing one branch (dynamo=False)."},
	{like: pattern.Of(`jax\S*\.(?:Tracer\w*|Concretization\w*)Error|NonConcreteBooleanIndexError`),
		hint: "A function under jax.jit depends on the values of its arguments: use jnp.where or jax.lax.cond, or mark the argument as static."},
	{like: pattern.Of(`(?:UnsupportedOperatorError|Exporting the operator [^\n]{1,100}is not supported|No ONNX function found|Couldn't export Python operator|exporter\._errors\.ConversionError)`),
		hint: "The export has no form for one of the model's operations: try a newer opset or a newer version of the exporter, or write the operation with supported ones."},
	{like: pattern.Of(`(?s)found invalid values:.{0,200}\bnan\b|probability tensor contains either|boxes1 must be in .{0,200}\bnan\b|(?:contained|contains) non-finite values|is non-finite, so it cannot be clipped`),
		hint: "A value had become NaN or infinite before: try a lower LEARNING_RATE{learning_rate}, warm-up epochs or full precision, and check the labels."},
	{like: pattern.Of(`Attempting to deserialize object on CUDA device \d+`), hint: "The weights were saved on a GPU whose number is not there: load them with map_location."},
	{like: pattern.Of(`invalid device ordinal`), hint: "The script asks for a GPU by a number that is not there: check how many processes it starts on this machine, and CUDA_VISIBLE_DEVICES."},
	{like: pattern.Of(`(?i)\$DISPLAY\b|DISPLAY (?:environment )?variable|no display name|(?:connect to|open) display|NoSuchDisplay|Qt platform plugin|'(?:tk|qt|gtk)' interactive framework|TkAgg|The function is not implemented. Rebuild the library with Windows, GTK|\bGLFW|\bEGL`),
		hint: "A container has no screen: save figures to files (MPLBACKEND=Agg), use opencv-python-headless, and call no imshow."},
	{like: pattern.Of(`DataLoader timed out after`), hint: "A worker of the data loader took longer than its timeout: look for what is slow or stuck in the dataset, or raise the timeout."},
	{like: pattern.Of(`start a new process before the\s+current process has finished its bootstrapping phase`), hint: "Worker processes load the script again: put its work below if __name__ == \"__main__\":."},
	{like: pattern.Of(`(?i)can't pickle|cannot pickle|can't get local object`), hint: "What worker processes are given must be importable: no lambda, no function inside another one, no open file; or use NUM_WORKERS=0{num_workers}."},
	{like: pattern.Of(`^EOFError`), hint: "The file that it read is empty or was cut."},
	{like: pattern.Of(`static TLS block`), hint: "A library was loaded too late: import it first in the script, or set LD_PRELOAD to it."},
	{like: pattern.Of(`attempted relative import`), hint: "The file is a part of a package: start it with python -m package.module, or import by the full name."},
	{like: pattern.Of(`circular import|partially initialized module`), hint: "A module imports itself in a circle, or a file of the script bears the name of a library: rename it."},
	{like: pattern.Of(`ImportError[^\n]*cannot import name [^\n]*\((?:[^)\n]*(?:site|dist)-packages|unknown location)`), hint: "The installed version of that package has no such name: pin the version that the script was written for in the trainer's requirements.txt."},
	{like: pattern.Of(`ImportError[^\n]*cannot import name [^\n]*\(/`), hint: "A file of the script has no such name: check that all files of the script are of one version."},
	{like: pattern.Of(`PackageNotFoundError|DistributionNotFound|(?i)requires? \S+ to be installed|needs? to (?:be )?install(?:ed)?\b|(?:package|library|module) is not installed`), hint: "A package is missing from the image: add it to the trainer's requirements.txt."},
	{like: pattern.Of(`(?i)ImportError[^\n]*(?:\n[^\n]*){0,3}(?:pip install|(?:is|are) not installed|to be installed|not found in your environment|requires? (?:the )?\S+ (?:library|package)|dependency)`), hint: "A package is missing from the image: add it to the trainer's requirements.txt."},
	{like: pattern.Of(`(?:^|\n)(?:\S+\.)?ImportError`), hint: "The image's packages do not fit together; check the versions in the trainer's requirements.txt."},
	{like: pattern.Of(`No such file or directory: '?/(?:psm_|torch_\d|mp-)`), hint: "A block of shared memory was gone: the process that had made it ended first. Look above for why."},
	{like: pattern.Of(`^FileNotFoundError: [^\n]{0,40}No such file or directory: '[^'/]{1,100}'`), stack: pattern.Of(`subprocess\.py`), hint: "The command is not in the image: install it in the trainer's Dockerfile."},
	{like: pattern.Of(`^FileNotFoundError`), hint: "Check the path: the dataset is at DATASET_DIR, weights at PRETRAINED_WEIGHTS, output goes to OUTPUT_DIR."},
	{like: pattern.Of(`(?m)^PermissionError`), hint: "Write below OUTPUT_DIR only; the dataset is read-only, and what the script reads must be readable for the user that it runs as."},
	{like: pattern.Of(`^(?:SyntaxError|IndentationError|NameError|AttributeError|TypeError)`), hint: "Correct the training script, or pin the library version that it was written for."},
}

// slips are the script's own in its handling of an error, which hides the error; so does a
// last checkpoint that can't be written.
var (
	slips  = pattern.Of(`^(?:NameError|UnboundLocalError)$`)
	saving = pattern.Of(`in _?save\w*(?:\n|$)|\.save\w*\(`)
)

func hides(x logtext.Exception) bool {
	if len(x.Causes) == 0 {
		return false
	}
	first := x.Causes[0]
	return slips.Match(x.Kind) || saving.Match(strings.Join(x.Block, "\n")) && !saving.Match(strings.Join(first.Block, "\n"))
}

// advise gives a failure the first advice that fits.
func advise(c findings, f *contract.Failure, x logtext.Exception) *contract.Failure {
	if hides(x) {
		return f.WithHint("It came up while the script dealt with %s.", trimStop(clip(x.Causes[0].Short())))
	}
	texts := x.Text()
	for _, y := range x.Causes {
		texts += "\n" + y.Text()
	}
	stack := x.Stack()
	for _, a := range advices {
		if a.like.Match(texts) && (a.stack == nil || a.stack.Match(stack+"\n"+texts)) {
			return as(f.WithHint("%s", fill(c.Settings, a.hint)), a.kind)
		}
	}
	if f.Hint == "" {
		f.Hint = plainHint
	}
	return f
}

const plainHint = "The full traceback is in the log and in the evidence."

// empty is an assertion that a program uses to end itself: what it printed before
// is the reason.
var empty = pattern.Of("Assertion [`'\"]?(?:0|false|NULL)['`\"]? failed")

// plainException reports the likeliest exception as it is: type, message and the
// last frame of the user's own file.
func plainException(c findings) *contract.Failure {
	for _, x := range c.exceptions {
		if x.Aside || lost(x) || interrupted(x) {
			continue
		}
		if lossWasNaN(c.Evidence) && numeric.Match(x.Text()) {
			return nanFailure(c, &x).WithEvidence(quoteOf(x)...)
		}
		if x.Native && empty.Match(x.Message) {
			if f := knownLine(c); f != nil {
				return f
			}
		}
		if x.Native || crashSignal(c.signal) {
			return crash(c, &x) // no Python exception ends a process by a signal: it is what came before
		}
		return spoken(c, x).WithEvidence(memoryNotes(c.Evidence)...)
	}
	return nil
}

// spoken is a failure in an exception's own words.
func spoken(c findings, x logtext.Exception) *contract.Failure {
	f := contract.Failf(contract.CodeTrainingFailed, "%s", withStop(trimStop(clip(x.Short()))+place(x)))
	return advise(c, f, x).WithEvidence(quoteOf(x)...).WithEvidence(gpuNotes(c.Evidence)...)
}

// first is the likeliest exception, or none.
func first(c findings) logtext.Exception {
	if len(c.exceptions) == 0 {
		return logtext.Exception{}
	}
	return c.exceptions[0]
}

// memoryNotes quotes kills that were not the cause.
func memoryNotes(e Evidence) []string {
	if k := e.System.OOMKills; k != nil && *k > 0 {
		return []string{sprintf("the kernel killed %d other processes of the container for memory", *k)}
	}
	return nil
}
