package diagnose

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

var (
	ended   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	zero    = int64(0)
	kills   = int64(2)
	noInode = int64(0)
)

// keyError is a real traceback of a script that reads a wrong key in a worker.
const keyError = `Traceback (most recent call last):
  File "/workspace/train.py", line 88, in <module>
    main()
  File "/workspace/train.py", line 71, in main
    for batch in loader:
  File "/usr/local/lib/python3.11/site-packages/torch/utils/data/dataloader.py", line 708, in __next__
    data = self._next_data()
  File "/usr/local/lib/python3.11/site-packages/torch/_utils.py", line 733, in reraise
    raise exception
KeyError: Caught KeyError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "/usr/local/lib/python3.11/site-packages/torch/utils/data/_utils/worker.py", line 349, in _worker_loop
    data = fetcher.fetch(index)
  File "/workspace/data.py", line 31, in __getitem__
    return image, row["labels"]
KeyError: 'labels'
`

const oom = `Traceback (most recent call last):
  File "/workspace/train.py", line 12, in <module>
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.65 GiB of which 12.00 MiB is free.
`

func log(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

func lostGPU(at time.Duration) contract.GPUEvidence {
	return contract.GPUEvidence{Watched: true, Faults: []contract.GPUFault{{
		Kind: contract.GPULost, Index: 5, XID: 79, Fatal: true, Time: ended.Add(-at), Message: "GPU 5 dropped off the PCIe bus (XID 79)",
	}}}
}

var silentDriver = contract.GPUEvidence{Watched: true, Faults: []contract.GPUFault{{
	Kind: contract.GPUDriver, Index: -1, Fatal: true, Time: ended.Add(-time.Minute),
	Message: "The NVIDIA driver has not answered nvmlDeviceGetTemperature for 20 s",
}}}

// Each case is one promise of the order: what is found, and what it says.
func TestDiagnose(t *testing.T) {
	const unfit = "the weights /workspace/weights/best.pt do not fit the model: 3 of its 122 tensors are not in them (fc.bias, fc.weight). Give weights of the same model, or PRETRAINED=false to start without"
	cases := map[string]struct {
		e       Evidence
		code    contract.Code // "" means success
		says    string
		retries bool
	}{
		"success": {e: Evidence{Checkpoints: 2}},
		"success where checkpoints are not counted": {e: Evidence{Checkpoints: -1}},
		"an export with its files":                  {e: Evidence{JobType: contract.JobExport, Checkpoints: 1}},
		"exit 0 without any results": {
			e: Evidence{JobType: contract.JobInference}, code: contract.CodeInferenceFailed, says: "The prediction script ended without an error but left no file."},
		"exit 0 without any checkpoint": {
			e: Evidence{JobType: contract.JobTraining, LastEpoch: 3}, code: contract.CodeTrainingFailed, says: "left no complete checkpoint after epoch 3"},
		"exit 0 with an empty checkpoint": {
			e: Evidence{JobType: contract.JobTraining, Torn: "best.ckpt is empty (0 bytes)"}, code: contract.CodeTrainingFailed, says: "left no complete checkpoint: best.ckpt is empty (0 bytes)."},
		"exit 0 but every epoch NaN": {
			e: Evidence{Checkpoints: 2, LastEpoch: 2, NaNEpochs: []int{1, 2}}, code: contract.CodeNaNLoss, says: "NaN or infinite in epoch 1"},
		"exit 0 and NaN late is a warning": {e: Evidence{Checkpoints: 2, LastEpoch: 5, NaNEpochs: []int{5}}},
		"exit 0 but the trainer reported a failure": {
			e:    Evidence{Checkpoints: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the validation set is empty"}},
			code: contract.CodeTrainingFailed, says: "the validation set is empty."},
		"a setting that the trainer refuses": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "IMAGE_SIZE 100 is not a multiple of 32; use 96"}, LogTail: log("[trainer] error: IMAGE_SIZE 100 is not a multiple of 32; use 96")},
			code: contract.CodeConfigInvalid, says: "IMAGE_SIZE 100 is not a multiple of 32; use 96."},
		"an option that the trainer does not know": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "unknown option 'momentun' (did you mean 'momentum'?)"}},
			code: contract.CodeConfigInvalid, says: "unknown option 'momentun' (did you mean 'momentum'?)."},
		"several options, of which one is the job's": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "option 'imgsz' is a setting of the job: set IMAGE_SIZE instead; option 'degrees' is 500, expected a value from 0.0 to 180.0. Valid options: amp"}},
			code: contract.CodeConfigInvalid, says: "option 'degrees' is 500"},
		"a setting that is wrong before there is anybody to report to": {
			e:    Evidence{ExitCode: 1, LogTail: log("[trainer] error: EPOCHS is 'many', which is not a valid int")},
			code: contract.CodeConfigInvalid, says: "EPOCHS is 'many', which is not a valid int."},
		"another error of a trainer that did not report": {
			e:    Evidence{ExitCode: 1, LogTail: log("[trainer] error: the moon is full")},
			code: contract.CodeTrainingFailed, says: "ended with code 1"},
		"a model that does another task": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "MODEL_NAME: object_detection needs a model that detects; vit-tiny-patch16-224 is a vit. Use rtdetr-r18"}},
			code: contract.CodeConfigInvalid, says: "MODEL_NAME: object_detection needs a model that detects"},
		"images of one class": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "train: all 24 images are of the class 'a circle'; a classifier needs images of two classes at least"}},
			code: contract.CodeDatasetInvalid, says: "needs images of two classes at least."},
		"a split without a labelled object": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "val: none of the 8 images has a labelled object: there is nothing to measure against"}},
			code: contract.CodeDatasetInvalid, says: "val: none of the 8 images"},
		"a split that is no dataset's": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "train: the loss did not fall"}},
			code: contract.CodeTrainingFailed, says: "train: the loss did not fall."},
		"an export's setting that the trainer refuses": {
			e:    Evidence{JobType: contract.JobExport, ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "INPUT_SIZE [9, 8] is not square, which these models want"}},
			code: contract.CodeConfigInvalid, says: "INPUT_SIZE [9, 8] is not square"},
		"an explanation that has no meaning": {
			e:    Evidence{JobType: contract.JobInference, ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "ENABLE_XAI: masks of classes are not explained"}},
			code: contract.CodeConfigInvalid, says: "ENABLE_XAI: masks of classes are not explained."},
		"weights that do not fit": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: unfit}, LogTail: log("[trainer] error: " + unfit)},
			code: contract.CodeWeightsUnavailable, says: unfit + "."},
		"weights of another architecture": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the weights /opt/weights/timm/test_resnet/r18.pt are not of test_resnet: 40 of its 78 tensors have other shapes, first bn1.bias. Give weights of the same model"}},
			code: contract.CodeWeightsUnavailable, says: "first bn1.bias. Give weights of the same model."},
		"weights in a zip": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the weights /w/vit.zip are a zip of Hugging Face's save_pretrained; this trainer takes a state_dict as .pt"}},
			code: contract.CodeWeightsUnavailable, says: "a zip of Hugging Face's save_pretrained"},
		"weights in a folder": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the weights /w/vit are a folder: give the file in it"}},
			code: contract.CodeWeightsUnavailable, says: "are a folder"},
		"a resume with another model": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "MODEL_NAME is test_vit, the checkpoint to resume is of test_resnet: use another JOB_ID, or AGENT_RESUME=off to begin anew"}},
			code: contract.CodeConfigInvalid, says: "the checkpoint to resume is of test_resnet"},
		"weights that hold nothing, wherever they are from": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the weights /opt/weights/timm/resnet18/x.pt hold no tensors"}},
			code: contract.CodeWeightsUnavailable, says: "hold no tensors. Check MODEL_NAME and where the weights are from: PRETRAINED_WEIGHT_URL, AGENT_WEIGHTS_DIR or weights/ in the bucket."},
		"weights of a training that diverged, told by torchrun's process alone": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the weights /w/my best.pt are NaN, first in fc.bias: the training that they come from has diverged"}},
			code: contract.CodeWeightsUnavailable, says: "first in fc.bias"},
		"weights of a loss are no weights of a model": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "the weights of the loss are not of the number of classes"}},
			code: contract.CodeTrainingFailed, says: "the number of classes."},
		"a setting that is only the remedy": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "no improvement was possible: set a lower LEARNING_RATE"}},
			code: contract.CodeTrainingFailed, says: "set a lower LEARNING_RATE."},
		"a setting that is printed before a bare exit": {
			e: Evidence{ExitCode: 1, LogTail: log("BATCH_SIZE 16")}, code: contract.CodeTrainingFailed, says: "ended with code 1"},
		"the trainer's own report names a known cause": {
			e:    Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: "CUDA out of memory. Tried to allocate 2 GiB"}, Settings: Settings{BatchSize: 64}},
			code: contract.CodeCUDAOOM, says: "Out of GPU memory. Try reducing batch_size (now 64)."},
		"a preparation error keeps its code": {
			e: Evidence{Err: contract.Failf(contract.CodeDatasetInvalid, "no polygons")}, code: contract.CodeDatasetInvalid, says: "no polygons"},
		"a storage error keeps its code and is retried": {
			e: Evidence{Err: contract.Failf(contract.CodeStorageError, "the bucket does not answer")}, code: contract.CodeStorageError, says: "the bucket does not answer", retries: true},
		"a preparation error without a code is ours": {
			e: Evidence{Err: errors.New("boom")}, code: contract.CodeInternal, says: "boom"},
		"our own stop outranks how the child ended": {
			e: Evidence{Stop: StopRequested, ExitCode: 137, Signal: 9, LogTail: log(oom), LastEpoch: 4}, code: contract.CodeStopped, says: "after epoch 4", retries: true},
		"told to stop after the trainer had finished": {
			e: Evidence{Stop: StopRequested, Checkpoints: 1, ChildDone: &Report{Status: contract.StatusSucceeded}}},
		"time limit": {
			e: Evidence{Stop: StopTimeLimit, ExitCode: 143, Signal: 15, Settings: Settings{MaxTrainingTime: time.Hour}}, code: contract.CodeTrainingTimeout, says: "Training exceeded maximum time limit (1h0m0s)"},
		"time limit of an export": {
			e: Evidence{JobType: contract.JobExport, Stop: StopTimeLimit, Settings: Settings{MaxTrainingTime: time.Hour}}, code: contract.CodeTrainingTimeout,
			says: "The export exceeded maximum time limit (1h0m0s). Raise MAX_TRAINING_TIME_SECONDS, or set a smaller INPUT_SIZE"},
		"a prediction that hangs": {
			e: Evidence{JobType: contract.JobInference, Stop: StopHang, Settings: Settings{HangTimeout: time.Minute}}, code: contract.CodeHung, says: "The inference made no progress for 1m0s"},
		"hang": {
			e: Evidence{Stop: StopHang, ExitCode: 137, Settings: Settings{HangTimeout: 10 * time.Minute, NumWorkers: 8}}, code: contract.CodeHung, says: "no progress for 10m0s"},
		"a hang with a lost GPU is the GPU's": {
			e: Evidence{Stop: StopHang, Ended: ended, GPU: lostGPU(600 * time.Second)}, code: contract.CodeGPULost, says: "XID 79", retries: true},
		"stopped for a GPU error": {
			e: Evidence{Stop: StopGPU, Ended: ended, GPU: lostGPU(5 * time.Second)}, code: contract.CodeGPULost, says: "5 s before training failed", retries: true},
		"GPU lost long before NCCL gave up": {
			e: Evidence{ExitCode: 134, Signal: 6, Ended: ended, GPU: lostGPU(603 * time.Second),
				LogTail: log("[rank3]:[E] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE)")},
			code: contract.CodeGPULost, says: "GPU 5 dropped off the PCIe bus (XID 79) 603 s before training failed. Run again on another machine.", retries: true},
		"a GPU fault an hour ago is not the cause": {
			e: Evidence{ExitCode: 1, Ended: ended, GPU: lostGPU(time.Hour), LogTail: log(keyError)}, code: contract.CodeTrainingFailed, says: "KeyError: 'labels'"},
		"a driver that was silent once explains no KeyError": {
			e: Evidence{ExitCode: 1, Ended: ended, LogTail: log(keyError), GPU: silentDriver}, code: contract.CodeTrainingFailed, says: "KeyError: 'labels'"},
		"a silent driver explains a hang": {
			e: Evidence{Stop: StopHang, Ended: ended, GPU: silentDriver}, code: contract.CodeGPUError, says: "has not answered nvmlDeviceGetTemperature for 20 s", retries: true},
		"host OOM outranks the shm advice in the log": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{OOMKills: &kills}, Settings: Settings{NumWorkers: 16},
				LogTail: log("ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).")},
			code: contract.CodeHostOOM, says: "The container ran out of memory: the kernel killed 2 processes. Use fewer workers (now 16) or ask for more memory."},
		"an OOM kill beside an exception of the training's own": { // the probe is the kernel's first choice
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{OOMKills: &kills}, LogTail: log(keyError)}, code: contract.CodeTrainingFailed, says: "KeyError: 'labels'"},
		"an OOM kill of a worker": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{OOMKills: &kills},
				LogTail: log("Traceback (most recent call last):\n  File \"train.py\", line 3, in <module>\nRuntimeError: DataLoader worker (pid 7) is killed by signal: Killed.")},
			code: contract.CodeHostOOM, says: "the kernel killed 2 processes"},
		"shm full": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{OOMKills: &zero, Shm: contract.VolumeEvidence{TotalBytes: 64 << 20, PeakBytes: 64 << 20}},
				LogTail: log("ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).")},
			code: contract.CodeShmTooSmall, says: "Shared memory (/dev/shm) (64 MiB) is too small"},
		"a bus error with shm empty is not shm": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{OOMKills: &zero, Shm: contract.VolumeEvidence{TotalBytes: 64 << 20, PeakBytes: 1 << 20}},
				LogTail: log("ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).")},
			code: contract.CodeTrainingFailed, says: "/dev/shm was not full"},
		"disk full by the account": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{Disk: contract.VolumeEvidence{Path: "/workspace", TotalBytes: 10 << 30}},
				LogTail: log("RuntimeError: [enforce fail at inline_container.cc:626] . unexpected pos 512 vs 480")},
			code: contract.CodeDiskFull, says: "The disk of /workspace is full.", retries: true},
		"out of inodes": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{Disk: contract.VolumeEvidence{Path: "/workspace", TotalBytes: 10 << 30, MinFreeBytes: 5 << 30, MinFreeInodes: &noInode}},
				LogTail: log("OSError: [Errno 28] No space left on device: '/workspace/runs/x'")},
			code: contract.CodeDiskFull, says: "/workspace", retries: true},
		"CUDA OOM with the setting to change": {
			e:    Evidence{ExitCode: 1, LogTail: log(oom), Settings: Settings{BatchSize: 64, ImageSize: 640}},
			code: contract.CodeCUDAOOM, says: "Out of GPU memory. Try reducing batch_size (now 64)."},
		"a survived OOM warning is not the cause": {
			e:    Evidence{ExitCode: 1, LogTail: append(log("WARNING ⚠️ CUDA out of memory with batch=64. Reducing to batch=32 and retrying (1/3)."), log(keyError)...)},
			code: contract.CodeTrainingFailed, says: "KeyError: 'labels' (data.py, line 31 in __getitem__)"},
		"a hub that was away earlier is not why another host was": {
			e: Evidence{ExitCode: 1, LogTail: log("'(MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: /timm/resnet50/resolve/main/model.safetensors\"))' thrown\n" +
				"Traceback (most recent call last):\n  File \"/w/train.py\", line 9, in report\n    requests.post(url)\n  File \"/opt/lib/python3.11/site-packages/requests/sessions.py\", line 1, in post\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='metrics.example', port=443): Max retries exceeded with url: /push")},
			code: contract.CodeTrainingFailed, says: "metrics.example", retries: true},
		"an error that no rule knows and no exception carries is quoted": {
			e: Evidence{ExitCode: 1, LogTail: log("loading\nmytool: error: the moon is full\nbye")}, code: contract.CodeTrainingFailed,
			says: "ended with code 1. The last error that it printed: mytool: error: the moon is full."},
		"what TensorFlow's threads report at the level of information": {
			e:    Evidence{ExitCode: 1, LogTail: log("INFO:tensorflow:Error reported to Coordinator: <class 'errors_impl.DataLossError'>, corrupted record at 0\nINFO:tensorflow:Stopping Training.")},
			code: contract.CodeDatasetInvalid, says: "corrupted record at 0"},
		"a tracker's host that does not answer": {
			e:    Evidence{ExitCode: 1, LogTail: log("urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='x.example', port=443): Max retries exceeded with url: /api/2.0/mlflow/runs/get (Caused by NewConnectionError('[Errno 111] Connection refused'))")},
			code: contract.CodeTrainingFailed, says: "no fault of the script", retries: true},
		"a program that says nothing": {
			e: Evidence{ExitCode: 1}, code: contract.CodeTrainingFailed, says: "ended with code 1 without saying why."},
		"a program that only says goodbye": {
			e: Evidence{ExitCode: 1, LogTail: log("loading\n0 errors\nbye")}, code: contract.CodeTrainingFailed, says: "ended with code 1 and its last lines are no error that is known here. The last one: bye."},
		"an assertion that says nothing is not the reason": {
			e:    Evidence{Signal: 6, LogTail: log("CUDA Error: no CUDA-capable device is detected\ndarknet: ./src/utils.c:325: error: Assertion `0' failed.")},
			code: contract.CodeGPUError, says: "none that works"},
		"a failed write beside a full disk": {
			e: Evidence{ExitCode: 1, System: contract.SystemEvidence{Disk: contract.VolumeEvidence{Path: "/workspace", TotalBytes: 10 << 30}},
				LogTail: log("RuntimeError: File runs/checkpoint_0.pt cannot be opened.")},
			code: contract.CodeDiskFull, says: "The disk of /workspace is full.", retries: true},
		"TensorFlow's notice that it does with less is not the cause": {
			e:    Evidence{ExitCode: 1, LogTail: log("W bfc_allocator.cc:314] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.13GiB. The caller indicates that this is not a failure, but this may mean that there could be performance gains.")},
			code: contract.CodeTrainingFailed, says: "no error that is known here. The last one: W bfc_allocator.cc:314]"},
		"a sentence that ends of itself gets no full stop": {
			e:    Evidence{ExitCode: 1, LogTail: log("AssertionError: classes differ!")},
			code: contract.CodeTrainingFailed, says: "AssertionError: classes differ! The"},
		"a Python exception in the user's own file": {
			e: Evidence{ExitCode: 1, LogTail: log(keyError)}, code: contract.CodeTrainingFailed, says: "KeyError: 'labels' (data.py, line 31 in __getitem__)."},
		"torch elastic's error file outranks the log": {
			e:    Evidence{ExitCode: 1, LogTail: log("nothing"), TorchElasticError: `{"message": {"message": "RuntimeError: CUDA out of memory. Tried", "extraInfo": {"py_callstack": "Traceback (most recent call last):\n  File \"/w/train.py\", line 3, in f\n    x()\ntorch.OutOfMemoryError: CUDA out of memory. Tried\n", "timestamp": "1"}}}`},
			code: contract.CodeCUDAOOM, says: "Out of GPU memory."},
		"NCCL timeout without a cause": {
			e:    Evidence{ExitCode: 134, Signal: 6, LogTail: log("[rank3]:[E ProcessGroupNCCL.cpp:616] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE) ran for 600000 milliseconds before timing out.")},
			code: contract.CodeNCCLTimeout, says: "waited for each other", retries: true},
		"a dead worker is not called OOM without an account": {
			e:    Evidence{ExitCode: 1, LogTail: log("RuntimeError: DataLoader worker (pid 3252) is killed by signal: Killed.")},
			code: contract.CodeTrainingFailed, says: "ended by a signal (Killed)"},
		"another machine is lost": {
			e: Evidence{ExitCode: 1, LastEpoch: 4, Nodes: []contract.NodeEvidence{{Rank: 1, Host: "trainer-1", Lost: true}},
				LogTail: log("[rank0]: Traceback (most recent call last):\n[rank0]:   File \"/w/train.py\", line 3, in <module>\n[rank0]: RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [10.0.0.2]:4242")},
			code: contract.CodeNodeLost, says: "Node 1 (trainer-1) was lost after epoch 4", retries: true},
		"another machine failed and said why": {
			e: Evidence{ExitCode: 1, Nodes: []contract.NodeEvidence{{Rank: 1, Failure: contract.Failf(contract.CodeNodeLost, "x")}, {Rank: 2, Host: "b", Failure: contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory.").WithHint("Less.")}},
				LogTail: log("RuntimeError: Connection closed by peer")},
			code: contract.CodeCUDAOOM, says: "On Node 2 (b): Out of GPU memory. Less."},
		"an own cause outranks the loss of its victims": {
			e:    Evidence{ExitCode: 1, Stop: StopNode, Nodes: []contract.NodeEvidence{{Rank: 1, Failure: contract.Failf(contract.CodeNodeLost, "x")}}, LogTail: log(keyError)},
			code: contract.CodeTrainingFailed, says: "KeyError: 'labels'"},
		"another machine never came to a crowded port": {
			e: Evidence{Stop: StopNode, Nodes: []contract.NodeEvidence{{Rank: 1, Absent: true, Crowded: true}}}, code: contract.CodeNodeLost, says: "crowded AGENT_NODE_PORT of node 0. Close AGENT_NODE_PORT", retries: true},
		"another machine never came": {
			e: Evidence{Stop: StopNode, Nodes: []contract.NodeEvidence{{Rank: 1, Absent: true}}}, code: contract.CodeNodeLost, says: "Node 1 never came. Check that as many machines run as NNODES says", retries: true},
		"a child that left well when another machine was lost has not succeeded": {
			e: Evidence{Stop: StopNode, Checkpoints: 1, Nodes: []contract.NodeEvidence{{Lost: true}}}, code: contract.CodeNodeLost, says: "Node 0 was lost", retries: true},
		"torchrun that was told to stop for a lost machine": {
			e: Evidence{Stop: StopNode, ExitCode: 1, Nodes: []contract.NodeEvidence{{Rank: 1, Lost: true}},
				TorchElasticError: `{"message": {"message": "SignalException: Process 12 got signal: 15", "extraInfo": {"py_callstack": ""}}}`,
				LogTail:           log("Traceback (most recent call last):\n  File \"/usr/lib/python3/dist-packages/torch/distributed/elastic/multiprocessing/api.py\", line 85, in _terminate_process_handler\n    raise SignalException()\ntorch.distributed.elastic.multiprocessing.api.SignalException: Process 12 got signal: 15")},
			code: contract.CodeNodeLost, says: "Node 1 was lost", retries: true},
		"a broken link on a machine that knows no more": {
			e:    Evidence{ExitCode: 1, Nodes: []contract.NodeEvidence{{}}, LogTail: log("RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.1]:1")},
			code: contract.CodeNodeLost, says: "ended first", retries: true},
		"segfault": {
			e:    Evidence{ExitCode: 139, Signal: 11, LogTail: log("Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File \"/usr/lib/python3/dist-packages/cv2/x.py\", line 4 in imread\n  File \"/workspace/data.py\", line 9 in load")},
			code: contract.CodeTrainingFailed, says: "crashed (SIGSEGV) at data.py, line 9 in load"},
		"killed from outside": {
			e: Evidence{ExitCode: 137, Signal: 9, System: contract.SystemEvidence{OOMKills: &zero}}, code: contract.CodeTrainingFailed, says: "killed from outside (SIGKILL)", retries: true},
		"NaN in the last epoch and a bare exit": {
			e: Evidence{ExitCode: 1, LastEpoch: 7, NaNEpochs: []int{6, 7}}, code: contract.CodeNaNLoss, says: "epoch 6"},
		"what was survived is not why a process was killed": {
			e: Evidence{ExitCode: 137, Signal: 9, LogTail: log(oom + "Retrying with half the batch\nEpoch 5/10 loss 0.31\nEpoch 6/10 loss 0.30")}, code: contract.CodeTrainingFailed, says: "killed from outside (SIGKILL)", retries: true},
		"a missing optional library and then SIGTERM": {
			e: Evidence{ExitCode: 143, Signal: 15, LogTail: log("Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nModuleNotFoundError: No module named 'apex'\nfalling back\nbuilding\nreading\nloading\nstarting\n")}, code: contract.CodeTrainingFailed, says: "killed from outside (SIGTERM)", retries: true},
		"an exception with nothing after it counts, whatever ended the process": {
			e: Evidence{ExitCode: 137, Signal: 9, LogTail: log(oom)}, code: contract.CodeCUDAOOM, says: "Out of GPU memory."},
		"an out-of-memory that was survived long ago explains no bare exit": {
			e: Evidence{ExitCode: 1, LogTail: log(oom + "Epoch 1 loss: 0.5\nEpoch 2 loss: 0.4\nsaved\nEpoch 3 loss: 0.3\nEpoch 4 loss: 0.2\n")}, code: contract.CodeTrainingFailed, says: "ended with code 1"},
		"the user's own line for an out-of-memory": {
			e: Evidence{ExitCode: 1, LogTail: log(oom), Settings: Settings{BatchSize: 64}}, code: contract.CodeCUDAOOM, says: "Out of GPU memory. Try reducing batch_size (now 64). It happened at train.py, line 12."},
		"no GPU is missing where none was asked for": {
			e:    Evidence{ExitCode: 1, Settings: Settings{Device: "cpu"}, LogTail: log("Traceback (most recent call last):\n  File \"/app/train.py\", line 7, in <module>\nRuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.")},
			code: contract.CodeTrainingFailed, says: "DEVICE is cpu, so the job has no GPU: load with map_location"},
		"a GPU that was asked for": {
			e:    Evidence{ExitCode: 1, Settings: Settings{Device: "cuda"}, LogTail: log("RuntimeError: No CUDA GPUs are available")},
			code: contract.CodeGPUError, says: "the container has none that works"},
		"another process is blamed only with evidence of one": {
			e: Evidence{ExitCode: 1, LogTail: log("Traceback (most recent call last):\n  File \"/app/t.py\", line 1, in f\nBrokenPipeError: [Errno 32] Broken pipe")}, code: contract.CodeTrainingFailed, says: "the log does not tell why"},
		"another process that a launcher saw die": {
			e: Evidence{ExitCode: 1, LogTail: log("[rank0]: Traceback (most recent call last):\n[rank0]:   File \"/app/t.py\", line 1, in f\n[rank0]: ConnectionResetError: [Errno 104] Connection reset by peer\n  exitcode  : -9 (pid: 12)")}, code: contract.CodeTrainingFailed, says: "was ended by SIGKILL first", retries: true},
		"a port in use has its own sentence": {
			e: Evidence{ExitCode: 1, LogTail: log("OSError: [Errno 98] Address already in use")}, code: contract.CodeTrainingFailed, says: "Another process holds the port", retries: true},
		"interrupted": {
			e: Evidence{ExitCode: 130, LogTail: log("Traceback (most recent call last):\n  File \"/app/t.py\", line 1, in f\nKeyboardInterrupt")}, code: contract.CodeTrainingFailed, says: "interrupted from outside", retries: true},
		"exit 130 without a word": {
			e: Evidence{ExitCode: 130}, code: contract.CodeTrainingFailed, says: "killed from outside (SIGINT)", retries: true},
		"withheld keys are withheld on purpose": {
			e: Evidence{ExitCode: 1, LogTail: log("botocore.exceptions.NoCredentialsError: Unable to locate credentials")}, code: contract.CodeTrainingFailed, says: "withheld from the training on purpose: read the dataset at DATASET_DIR"},
		"a semaphore that does not fit": {
			e: Evidence{ExitCode: 1, LogTail: log("Traceback (most recent call last):\n  File \"/usr/lib/python3.11/multiprocessing/synchronize.py\", line 57, in __init__\n    sl = self._semlock = _multiprocessing.SemLock(\nOSError: [Errno 28] No space left on device")}, code: contract.CodeShmTooSmall, says: "/dev/shm"},
		"a disk that does not answer is nobody's fault": {
			e: Evidence{ExitCode: 1, LogTail: log("OSError: [Errno 116] Stale file handle: '/data/x.jpg'")}, code: contract.CodeTrainingFailed, says: "file system below failed, not the script", retries: true},
		"the last that C++ said": {
			e: Evidence{ExitCode: 134, Signal: 6, LogTail: log("terminate called after throwing an instance of 'std::runtime_error'\n  what():  unable to decode frame 7")}, code: contract.CodeTrainingFailed, says: "crashed (SIGABRT): std::runtime_error: unable to decode frame 7."},
		"a NaN says where": {
			e: Evidence{ExitCode: 1, LogTail: log("Traceback (most recent call last):\n  File \"/app/train.py\", line 9, in step\nFloatingPointError: Loss became infinite or NaN at iteration=137!")}, code: contract.CodeNaNLoss, says: "at iteration 137. It happened at train.py, line 9 in step."},
		"no placeholder is left": {
			e: Evidence{ExitCode: 1, LogTail: log("  exitcode  : -9 (pid: 12)")}, code: contract.CodeTrainingFailed, says: "use fewer workers or ask", retries: true},
		"the process limit": {
			e: Evidence{ExitCode: 1, LogTail: log("/bin/sh: fork: retry: Resource temporarily unavailable")}, code: contract.CodeTrainingFailed, says: "process limit"},
		"command not found": {e: Evidence{ExitCode: 127}, code: contract.CodeConfigInvalid, says: "not found"},
		"bare code":         {e: Evidence{ExitCode: 3}, code: contract.CodeTrainingFailed, says: "ended with code 3"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := Diagnose(tc.e)
			if tc.code == "" {
				if f != nil {
					t.Fatalf("got %v, want success", f)
				}
				return
			}
			if f == nil {
				t.Fatalf("got success, want %s", tc.code)
			}
			if f.Code != tc.code || !strings.Contains(f.Line(), tc.says) || f.Retryable != tc.retries {
				t.Errorf("got %s %q (retryable %v), want %s with %q (retryable %v)", f.Code, f.Line(), f.Retryable, tc.code, tc.says, tc.retries)
			}
			if f.Evidence == nil {
				t.Error("evidence is null; it must be a list")
			}
		})
	}
}

func FuzzDiagnose(f *testing.F) {
	f.Add(keyError, "", 1, 0)
	f.Add(oom, `{"message": {"message": "RuntimeError: x", "extraInfo": {"py_callstack": "Traceback (most recent call last):\n"}}}`, 1, 0)
	f.Add("[rank0]: Traceback (most recent call last):\n[rank1]: KeyError\nOriginal Traceback (most recent call last):\n", `{"message": "x"}`, 137, 9)
	f.Add("-- Process 0 terminated with the following error:\nTraceback (most recent call last):\n\n\nTraceback (most recent call last):", "", 0, 11)
	f.Fuzz(func(t *testing.T, text, elastic string, code, signal int) {
		failure := Diagnose(Evidence{ExitCode: code, Signal: signal, LogTail: strings.Split(text, "\n"), TorchElasticError: elastic, Checkpoints: -1})
		if failure == nil {
			if code != 0 || signal != 0 {
				t.Errorf("exit code %d, signal %d: called a success", code, signal)
			}
			return
		}
		if failure.Message == "" || len(failure.Message) > maxLine || len(failure.Evidence) > maxEvidence {
			t.Errorf("message of %d bytes, %d lines of evidence", len(failure.Message), len(failure.Evidence))
		}
		if _, err := json.Marshal(failure); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkWorstLog: two hundred lines as long as they may be, none of them telling.
func BenchmarkWorstLog(b *testing.B) {
	e := Evidence{ExitCode: 1, Checkpoints: -1}
	for i := range 200 {
		word := string(rune('a'+i%26)) + string(rune('a'+i/26)) // no two lines alike
		e.LogTail = append(e.LogTail, word+strings.Repeat(" Error: a dataset worker /dev/shm loss image ", 200))
	}
	for b.Loop() {
		_ = Diagnose(e)
	}
}

func TestAResumeIsPromisedOnlyWhereACheckpointIsStored(t *testing.T) {
	for again, want := range map[Again]string{
		AgainResumes: "Run it again: it resumes from its last checkpoint.", AgainUnknown: "Run it again.",
		AgainIfAsked:    "Run it again with AGENT_RESUME=auto, and it resumes from its last checkpoint.",
		AgainStartsOver: "Run it again: no checkpoint to resume from is stored, so it starts from the beginning.",
		AgainGoesOn:     "Run it again: it goes on after the results that are stored.", AgainAnew: "Run it again: it starts from the beginning.",
	} {
		if f := Diagnose(Evidence{Stop: StopRequested, ExitCode: 143, Again: again}); f == nil || f.Hint != want {
			t.Errorf("%v: %+v, want the hint %q", again, f, want)
		}
	}
}

func TestAGPUFaultNamesTheNodeToDrain(t *testing.T) {
	lost := contract.GPUEvidence{Watched: true, Faults: []contract.GPUFault{{Kind: contract.GPULost, Fatal: true, Message: "GPU 0 fell off the bus"}}}
	for node, want := range map[string]string{"gpu-7": "Drain the node gpu-7 and run again on another machine.", "": "Run again on another machine."} {
		f := Diagnose(Evidence{ExitCode: 1, GPU: lost, Settings: Settings{Node: node}})
		if f == nil || f.Code != contract.CodeGPULost || f.Hint != want {
			t.Errorf("%q: %+v", node, f)
		}
	}
}

// Between two samples memory may come and go; the kernel's own count has it.
func TestHostOOMQuotesTheKernelsPeak(t *testing.T) {
	kills := int64(1)
	f := Diagnose(Evidence{ExitCode: 137, Signal: 9, System: contract.SystemEvidence{OOMKills: &kills, MemoryPeak: 1 << 30, KernelPeak: 4 << 30, MemoryLimit: 4 << 30}})
	if f == nil || f.Code != contract.CodeHostOOM || !slices.Contains(f.Evidence, "memory peak 4.0 GiB by the kernel's count (1.0 GiB in the samples) of 4.0 GiB") {
		t.Errorf("%+v", f)
	}
}

func TestNoCureIsAddedToTheTrainersOwn(t *testing.T) {
	for said, hint := range map[string]string{
		"the weights /w/best.pt do not fit the model: 3 of its 122 tensors are not in them (fc.bias). Give weights of the same model, or PRETRAINED=false to start without":                                                                  "",
		"the weights /w/best.pt hold no model of Ultralytics: save them with Ultralytics itself, tensors alone (a state_dict) are not enough":                                                                                                "",
		"the weights /w/best.pt are a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`":                                                                                                                                 "",
		"the weights /w/best.pt are cut short, or no file of PyTorch":                                                                                                                                                                        whereWeights + ".",
		"the weights /w/best.pt name posix.system, which is no part of a model of Ultralytics 8.4.1 and would run while they are loaded: use weights that Ultralytics saved, or set ULTRALYTICS_SAFE_LOAD=false if you trust who made these": "",
		"the weights /w/best.pt are of another version than Ultralytics 8.4.1, which does not load torch.nn.Newer":                                                                                                                           whereWeights + ".",
		"the weights /w/best.pt do not exist": whereWeights + ".",
	} {
		f := Diagnose(Evidence{ExitCode: 1, ChildDone: &Report{Status: contract.StatusFailed, Error: said}})
		if f.Code != contract.CodeWeightsUnavailable || f.Hint != hint {
			t.Errorf("%s: %s, hint %q", said, f.Code, f.Hint)
		}
	}
}
