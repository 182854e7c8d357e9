package diagnose

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// neighbours are logs whose words are near those of a rule, and whose cause is another
// one: weights, images, GPUs, disks and networks that are named and not at fault.
var neighbours = map[string]string{
	"a tracker's answer that is no JSON": `Traceback (most recent call last):
  File "/app/labels/train.py", line 9, in log_labels
    wandb.log(x)
  File "/opt/venv/lib/python3.10/site-packages/requests/models.py", line 975, in json
    raise RequestsJSONDecodeError(e.msg, e.doc, e.pos)
requests.exceptions.JSONDecodeError: Expecting value: line 1 column 1 (char 0)`,
	"a message to a worker that was cut": `Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "/usr/lib/python3.10/multiprocessing/spawn.py", line 126, in _main
    self = reduction.pickle.load(from_parent)
_pickle.UnpicklingError: pickle data was truncated`,
	"a name that the script's own module lacks": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    from utils import foo
ImportError: cannot import name 'foo' from 'utils' (/app/utils.py)`,
	"an image that could not be written": `Traceback (most recent call last):
  File "/app/datasets/vis.py", line 9, in draw
    img.save(p)
  File "/opt/venv/lib/python3.10/site-packages/PIL/Image.py", line 2500, in save
    fp = builtins.open(filename, "w+b")
FileNotFoundError: [Errno 2] No such file or directory: '/out/vis/1.png'`,
	"two versions of CUDA": `Traceback (most recent call last):
  File "/opt/venv/lib/python3.10/site-packages/torch/utils/cpp_extension.py", line 400, in _check_cuda_version
    raise RuntimeError(CUDA_MISMATCH_MESSAGE)
RuntimeError: The detected CUDA version (11.8) mismatches the version that was used to compile PyTorch (12.1). Please make sure to use the same CUDA versions.`,
	"a dataset of the hub": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    d = load_dataset("foo/bar")
datasets.exceptions.DatasetNotFoundError: Dataset 'foo/bar' doesn't exist on the Hub or cannot be accessed.`,
	"an empty name": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    check(cfg)
ValueError: dataset name is empty`,
	"a dataset's own .pt": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    d = Planetoid(root)
FileNotFoundError: [Errno 2] No such file or directory: '/data/Cora/processed/data.pt'`,
	"a program's own sentence about a path": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    open(p)
FileNotFoundError: Could not find '/app/templates/report.html'`,
	"a picture that a tracker wants": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    mlflow.log_artifact("images/confusion.png")
FileNotFoundError: [Errno 2] No such file or directory: 'images/confusion.png'`,
	"a table that the training writes itself": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    plot("runs/train/exp/results.csv")
FileNotFoundError: [Errno 2] No such file or directory: 'runs/train/exp/results.csv'`,
	"a package that lacks its own settings": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    build()
FileNotFoundError: [Errno 2] No such file or directory: '/opt/venv/lib/python3.10/site-packages/mmdet/configs/base.yaml'`,
	"predictions that do not go with labels": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    score(predictions, labels)
ValueError: number of samples in predictions (12) and labels (10) does not match`,
	"a project that lies among datasets": `Traceback (most recent call last):
  File "/data/segmentation/train.py", line 9, in <module>
    start()
ValueError: no images were given for the report`,
	"a table that is written": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    with open("data/splits/train.csv", "w") as f:
FileNotFoundError: [Errno 2] No such file or directory: 'data/splits/train.csv'`,
	"a folder for checkpoints that nobody made": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    torch.save(model.state_dict(), path)
RuntimeError: Parent directory checkpoints does not exist`,
	"a dataset's class that is asked for wrongly": `Traceback (most recent call last):
  File "/app/datasets/folder.py", line 9, in __init__
    raise ValueError(split)
ValueError: dataset split must be one of train, val, not 'dev'`,
	"a disk that can't be read": `Traceback (most recent call last):
  File "/app/dataset.py", line 9, in __getitem__
    return read(path)
OSError: [Errno 5] Input/output error: '/data/images/1.jpg'`,
	"predictions of no class": `Traceback (most recent call last):
  File "/app/datasets/coco.py", line 9, in evaluate
    check()
AssertionError: a prediction has category 10, which is not available in the dataset`,
	"a tokenizer that has no mask": `Traceback (most recent call last):
  File "/opt/venv/lib/python3.10/site-packages/transformers/data/data_collator.py", line 800, in __post_init__
    raise ValueError(
ValueError: This tokenizer does not have a mask token which is necessary for masked language modeling`,
	"a model that gives no boxes": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    loss = l1(outputs["bbox"], targets["bbox"])
              ~~~~~~~^^^^^^^^
KeyError: 'bbox'`,
	"a number that a table of the script lacks": `Traceback (most recent call last):
  File "/app/coco.py", line 9, in loadImgs
    return [colours[i] for i in ids]
KeyError: 7`,
	"a checkpoint that was never made, of a training that had data": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    Net.load_from_checkpoint(callback.best_model_path)
IsADirectoryError: [Errno 21] Is a directory: '/app'`,
	"a checkpoint that could not be written while nothing else was wrong": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    torch.save(model.state_dict(), path)
RuntimeError: giving up the lock of the folder`,
	"batches of two inputs": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    model(a, b)
ValueError: batch size must be the same for both inputs`,
	"an epoch that failed": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    train()
RuntimeError: epoch 3: 12 of 40 steps failed`,
	"a loss that is monitored": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    fit()
RuntimeError: Early stopping could not use monitor val_loss, which is nan`,
	"a checkpoint in NumPy's form": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    load_weights("vgg.npy")
  File "/opt/venv/lib/python3.10/site-packages/numpy/lib/format.py", line 850, in read_array
    array.shape = shape
ValueError: cannot reshape array of size 1200 into shape (64,64,3)`,
	"a dataset in HDF5": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    load(p)
ValueError: /data/train.h5 does not exist`,
	"another service of the cloud": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    boto3.client("sts").get_caller_identity()
botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "https://sts.eu-west-1.amazonaws.com/"`,
	"a dataset from a drive": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    gdown.download(id=x, output="dataset.zip")
  File "/opt/venv/lib/python3.10/site-packages/gdown/download.py", line 200, in download
    res = sess.get(url)
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='drive.google.com', port=443): Max retries exceeded with url: /uc (Caused by NewConnectionError('<urllib3...>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution'))`,
	"a folder of predictions": `Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    f()
RuntimeError: No images found in the prediction folder /out/pred`,
	"a table of results": `Traceback (most recent call last):
  File "/opt/venv/lib/python3.10/site-packages/ultralytics/utils/plotting.py", line 900, in plot_results
    data = pd.read_csv(f)
pandas.errors.EmptyDataError: No columns to parse from file`,
	"a server's answer that is no XML": `Traceback (most recent call last):
  File "/opt/venv/lib/python3.10/site-packages/requests/x.py", line 9, in <module>
    f()
xml.etree.ElementTree.ParseError: mismatched tag: line 6, column 2`,
	"a block of shared memory": `Traceback (most recent call last):
  File "/usr/lib/python3.10/multiprocessing/shared_memory.py", line 104, in __init__
    self._fd = _posixshmem.shm_open(
FileNotFoundError: [Errno 2] No such file or directory: '/psm_1234'`,
	"a file of tokens": `Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    np.memmap("data/train.bin")
FileNotFoundError: [Errno 2] No such file or directory: 'data/openwebtext/train.bin'`,
	"an empty folder of checkpoints": `Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    ckpt.restore()
ValueError: Checkpoint directory /out/ckpt is empty`,
	"a precision that needs a GPU": `Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    f()
ValueError: mixed precision requires GPU training, set precision=32`,
	"a limit of watched files": `Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    f()
OSError: [Errno 28] inotify watch limit reached`,
	"a lock that another process holds": `Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
BlockingIOError: [Errno 11] Resource temporarily unavailable`,
}

func TestARuleTakesNoNeighboursLog(t *testing.T) {
	for name, text := range neighbours {
		e := Evidence{ExitCode: 1, Checkpoints: -1, LogTail: log(text)}
		lines := log(text)
		said := lines[len(lines)-1]
		f := Diagnose(e)
		if f == nil || f.Code != contract.CodeTrainingFailed || !strings.HasPrefix(f.Message, said[:min(len(said), 60)]) {
			t.Errorf("%s: %s", name, told(f))
		}
	}
}

// A hint that is about another trouble sends a person the wrong way.
func TestAHintIsAboutWhatHappened(t *testing.T) {
	for name, c := range map[string]struct{ text, hint string }{
		"a function of notebooks": {`Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    display(table)
NameError: name 'display' is not defined`, "Correct the training script"},
		"a word with other letters in it": {`Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    check(gain)
TypeError: the gain is negligible`, "Correct the training script"},
		"a window": {`Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    root = tkinter.Tk()
_tkinter.TclError: no display name and no $DISPLAY environment variable`, "A container has no screen"},
		"a pipe whose other end is gone": {`Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    print(results.get())
  File "/usr/lib/python3.10/multiprocessing/connection.py", line 383, in _recv
    raise EOFError
EOFError`, "A connection between processes of the job broke"},
		"a class that a worker does not find": {`Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "/usr/lib/python3.10/multiprocessing/spawn.py", line 126, in _main
    self = reduction.pickle.load(from_parent)
AttributeError: Can't get attribute 'MyDataset' on <module '__main__' (built-in)>`, "A worker process loads the script again"},
		"a class that saved weights need": {`Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    model = torch.load(path)
AttributeError: Can't get attribute 'MyModel' on <module '__main__' from '/app/train.py'>`, "The weights were saved by code"},
		"a file without a byte": {`Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    index = pickle.load(file)
EOFError: Ran out of input`, "The file that it read is empty or was cut."},
	} {
		if f := Diagnose(Evidence{ExitCode: 1, Checkpoints: -1, LogTail: log(c.text)}); f == nil || !strings.HasPrefix(f.Hint, c.hint) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestALineThatOnlyAnnouncesNeedNotGoOn(t *testing.T) {
	f := Diagnose(Evidence{ExitCode: 1, Checkpoints: -1, LogTail: []string{"Cannot find primary config 'a', searched in:", strings.Repeat("x", 200)}})
	if f == nil || f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Message, "Cannot find primary config 'a'") {
		t.Errorf("%+v", f)
	}
}
