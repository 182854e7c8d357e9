package contract

// Meaning says what something that people read in a log means, and what to do about it.
// docs/operations.md and `trainer-agent explain` print these.
type Meaning struct {
	What string // one sentence, without a full stop
	Do   string // the first thing to do or to look at; empty when there is nothing
}

// Named is a word with its meaning.
type Named[T comparable] struct {
	Name    T
	Meaning Meaning
}

var codeMeanings = []Named[Code]{
	{CodeConfigInvalid, Meaning{"environment variables, or arguments and settings of the script, are missing or wrong", "`trainer-agent check`"}},
	{CodeDatasetNotFound, Meaning{"the bucket has neither `datasets/{id}.zip` nor objects below `datasets/{id}/`", `DATASET_ID, BUCKET_NAME`}},
	{CodeDatasetInvalid, Meaning{"the dataset is damaged or no zip, has no annotations, lacks images, or its labels do not fit the task", "`trainer-agent convert --from DIR --task TASK --dry-run` lists every problem"}},
	{CodeDatasetTooLarge, Meaning{"the dataset is larger than AGENT_MAX_DATASET_BYTES, has more files than AGENT_MAX_DATASET_FILES, more objects (100,000 in an image, 40 million in all) or larger files of labels than are read, or is an archive bomb", `the numbers in the message`}},
	{CodeStorageError, Meaning{"the store does not answer, or a checkpoint could not be uploaded", "`trainer-agent doctor`"}},
	{CodeStorageForbidden, Meaning{"the store refuses: wrong keys, the bucket's policy, or a clock that is off by more than 15 minutes", "`trainer-agent doctor`"}},
	{CodeWeightsUnavailable, Meaning{"weights or a checkpoint cannot be used: PRETRAINED_WEIGHT_URL expired, the file is missing, damaged, no weights or of another model, or it differs from its card", `make a new presigned URL; check CHECKPOINT_PATH; correct the weights or their card`}},
	{CodeCUDAOOM, Meaning{"the GPU's memory is full", `BATCH_SIZE, IMAGE_SIZE`}},
	{CodeHostOOM, Meaning{"the kernel killed a process at the container's memory limit", `NUM_WORKERS, the memory limit`}},
	{CodeShmTooSmall, Meaning{"/dev/shm is full", `a memory-backed volume at /dev/shm, NUM_WORKERS`}},
	{CodeDiskFull, Meaning{"no room for the dataset or the checkpoints", `the volume at WORKSPACE_DIR`}},
	{CodeGPULost, Meaning{"a GPU disappeared from the PCI bus or stopped answering", `drain the node; the job runs again elsewhere`}},
	{CodeGPUError, Meaning{"a GPU needs a reset or has memory errors", `drain the node; [gpu.md](gpu.md) says what each error is`}},
	{CodeNCCLTimeout, Meaning{"one process of a distributed job went silent", `the other processes' logs: the process that reports the timeout is seldom the one that went silent`}},
	{CodeNodeLost, Meaning{"another machine of a job on several machines is gone, or never came", "that machine; `training-node-{n}.log` beside training.log"}},
	{CodeHung, Meaning{"nothing happened for AGENT_HANG_TIMEOUT", `the stack dump in training.log`}},
	{CodeTrainingTimeout, Meaning{"MAX_TRAINING_TIME_SECONDS is over", `the limit, or EPOCHS`}},
	{CodeNaNLoss, Meaning{"the loss was NaN or infinite", `LEARNING_RATE, the data`}},
	{CodeTrainingFailed, Meaning{"the training script ended in an error", "the traceback in `done.error.evidence`"}},
	{CodeStopped, Meaning{"told to stop", `who sent SIGTERM: eviction, cancellation`}},
	{CodeCallbackFailed, Meaning{"the backend refused or never took `done`", `undelivered.jsonl`}},
	{CodeInternal, Meaning{"a fault of the agent", `report it with the log`}},
	{CodeInferenceFailed, Meaning{"the prediction script ended in an error, left no results, or a test run has no metrics", "the traceback in `done.error.evidence`"}},
	{CodeExportFailed, Meaning{"the export script ended in an error or left no file, or the exported model's answers are too far from the original's", "the framework's own reason in `done.error.evidence`; ACCURACY_DROP_MAX"}},
}

var eventMeanings = []Named[EventType]{
	{EventAgentStarted, Meaning{"the agent runs; if an earlier run in this workspace was killed, `previous_run` in its data says so, and why, as far as that is known", "with `previous_run`: raise the memory limit if its code is HOST_OOM, else look for evictions"}},
	{EventPreviousRunKilled, Meaning{"an earlier run of the job was killed and its workspace is gone (for example a pod's); the run marker in the bucket says so. `previous_run` in its data says why, as far as that is known, with phase, epoch and node", "as for `previous_run` of `agent_started`; after two runs in a row that were killed for memory the job ends (HOST_OOM)"}},
	{EventIsolationIncomplete, Meaning{"the training process can reach what it should not, as `findings` in its data say: credentials, the agent's state, another job's folder", "as each finding says; AGENT_REQUIRE_ISOLATION=true refuses such jobs"}},
	{EventDatasetDownloaded, Meaning{`the dataset is on disk: bytes, seconds, from the cache or not`, `slow: AGENT_DATASET_CACHE_DIR shares it between the jobs of a machine`}},
	{EventDatasetPrepared, Meaning{"the dataset is split and converted; `problems` in its data counts what was found in it", "read `problems`; AGENT_STRICT_DATASET=true makes them errors"}},
	{EventPretrainedDownloaded, Meaning{"the pretrained weights are on disk: from PRETRAINED_WEIGHT_URL, AGENT_WEIGHTS_DIR or the bucket's `weights/`", ""}},
	{EventTrainingResumed, Meaning{`a checkpoint of an earlier run was found, training goes on after its epoch`, `not wanted: AGENT_RESUME=off`}},
	{EventTrainingStarted, Meaning{`the training process runs: its command and process id`, ""}},
	{EventCheckpointSaved, Meaning{`a checkpoint is in the bucket, with its SHA-256`, ""}},
	{EventCheckpointUploadFailed, Meaning{`a checkpoint is on the pod's disk only; it is tried again until the job ends, and reported once`, "`reason` in its data, then `trainer-agent doctor` in the pod"}},
	{EventCallbackRejected, Meaning{`the backend answered 4xx, or again and again 5xx to this message while it took others: the message is not sent again, the training goes on`, "`outbox/rejected.jsonl` has the message and the answer"}},
	{EventGPUWarning, Meaning{`a GPU is hot, throttled, nearly full or makes correctable errors`, `[gpu.md](gpu.md)`}},
	{EventGPUError, Meaning{`a GPU fault that an operator must look at`, `drain the node; AGENT_ON_GPU_ERROR=stop ends such jobs with exit 75`}},
	{EventResourceWarning, Meaning{"memory, disk or /dev/shm will soon be full; `resource` in its data says which", `more of it, or fewer workers and a smaller batch`}},
	{EventHangSuspected, Meaning{`no output, callback, checkpoint, processor or GPU use for AGENT_HANG_TIMEOUT; the stacks are in training.log`, `AGENT_HANG_STOP=true ends such jobs (HUNG)`}},
	{EventStopping, Meaning{"the training process is told to stop; `reason` in its data says why", ""}},
	{EventTrainingFinished, Meaning{`the training process has ended: exit code, seconds, peak of memory`, ""}},
}

// trainerEventMeanings are of what our own trainers raise through the relay; users' trainers have words of their own.
var trainerEventMeanings = []Named[EventType]{
	{"weights_loaded", Meaning{"from which weights the training starts, and which layers are new", ""}},
	{"training_from_scratch", Meaning{"the training starts without pretrained weights", "`trainer-agent weights add`, or PRETRAINED=false where that is wanted"}},
	{"settings_chosen", Meaning{"the settings that nobody set, and what the trainer chose for them", ""}},
	{"setting_adjusted", Meaning{"a setting was changed to one that the framework can use", "set that value"}},
	{"setting_ignored", Meaning{"a setting has no effect with this model", "leave it out"}},
	{"options_ignored", Meaning{"keys of CONFIG_JSON have no effect here", "the trainer's config-schema.json has those that it knows"}},
	{"learning_rate_unusual", Meaning{"LEARNING_RATE is far from what is usual for this model", "leave it out: the trainer then takes the usual one"}},
	{"training_begun_anew", Meaning{"the checkpoint of a finished training has no optimizer: its weights start a new training, with epochs counted from 1", "more epochs in one training: set EPOCHS before it ends"}},
	{"zero_shot_evaluated", Meaning{"the accuracy before the training (zero_shot_classification)", ""}},
	{"training_stopped", Meaning{"the training stopped after this epoch, because it was asked to", ""}},
	{"early_stopped", Meaning{"the training ended before EPOCHS, because its primary metric had not become better for `patience` epochs", "a larger `patience`, or 0 to train all epochs"}},
	{"images_failed", Meaning{"images of a test run or an inference job could not be used; the metrics are without them", "`images` in its data names them and says why"}},
	{"explanation_without_words", Meaning{"an explanation has no words of a language model, but fixed sentences", "`reason` in its message: the key, the budget or OPENAI_BASE_URL"}},
	{"export_toolbox", Meaning{"the converter of an export format is being installed", "images `export-*` have it inside"}},
	{"export_unmeasured", Meaning{"how much accuracy an int8 or int16 model loses is not measured, because ENABLE_VALIDATION is not set", "ENABLE_VALIDATION=true with VALIDATION_DATASET_ID"}},
	{"export_unproven", Meaning{"no object was found on the images of an export's comparison: boxes below the threshold were compared, where they could be, and nothing was shown of which of them are chosen. Or a semantic segmentation gave every pixel of these images the same class", "VALIDATION_DATASET_ID with images that show objects or several classes, or a lower CONFIDENCE_THRESHOLD"}},
}

var exitMeanings = []Named[int]{
	{ExitOK, Meaning{"the job succeeded, `done` was accepted", ""}},
	{ExitFailed, Meaning{`configuration, dataset or training failure`, "read `done.error`; running it again changes nothing"}},
	{ExitUndelivered, Meaning{"the job ended, `done` could not be delivered", "`trainer-agent replay --from s3://BUCKET/jobs/JOB/undelivered.jsonl`; safe to run twice"}},
	{ExitInfra, Meaning{`infrastructure: storage unreachable, GPU lost, node pressure, disk full`, `run it again; it goes on from its last checkpoint, if one was stored`}},
	{ExitStopped, Meaning{`told to stop before the job ended`, `run it again; it goes on from its last checkpoint, if one was stored`}},
}

// CodeMeanings are those of the failure codes, in the order of the documentation.
func CodeMeanings() []Named[Code] { return codeMeanings }

// EventMeanings are those of the agent's own events.
func EventMeanings() []Named[EventType] { return eventMeanings }

// TrainerEventMeanings are those of the events of our own trainers.
func TrainerEventMeanings() []Named[EventType] { return trainerEventMeanings }

// ExitMeanings are those of the agent's exit codes.
func ExitMeanings() []Named[int] { return exitMeanings }
