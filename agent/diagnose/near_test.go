package diagnose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// near are neighbours of rules whose traceback has one frame: the script's line, and what
// was raised there.
var near = map[string][2]string{
	"memory that a network card locks":         {`dist.barrier()`, `RuntimeError: Call to ibv_reg_mr failed with error Cannot allocate memory`},
	"a crop that is larger than the image":     {`x = random.randint(0, w - crop)`, `ValueError: empty range for randrange() (0, -31, -31)`},
	"a picture of the script's own":            {`Image.open("/app/templates/frame.png")`, `FileNotFoundError: [Errno 2] No such file or directory: '/app/templates/frame.png'`},
	"an empty picture that is drawn":           {`cv2.imwrite(path, img)`, `cv2.error: OpenCV(4.8.0) /io/loadsave.cpp:787: error: (-215:Assertion failed) !_img.empty() in function 'imwrite'`},
	"tensors of a dataset":                     {`torch.load("/data/cora/graph.pt")`, `FileNotFoundError: [Errno 2] No such file or directory: '/data/cora/graph.pt'`},
	"points that a data loader reads":          {"read(f)\n  File \"/app/points.py\", line 9, in __getitem__", `FileNotFoundError: [Errno 2] No such file or directory: '/mnt/lidar/000123.bin'`},
	"a study of hyperparameters":               {`optuna.load_study(storage="sqlite:////app/data/study.db")`, `sqlite3.DatabaseError: file is not a database`},
	"a picture in a form of its own":           {`imageio.imwrite("x.foo", a)`, "ValueError: Could not find a backend to open `x.foo` with iomode `w`"},
	"an argument called accelerator":           {`run()`, `ValueError: 'accelerator' argument is required`},
	"points of a dataset":                      {`np.fromfile(f)`, `FileNotFoundError: [Errno 2] No such file or directory: '/data/kitti/velodyne/000123.bin'`},
	"a dataset in HDF5":                        {`check(path)`, `FileNotFoundError: /data/camelyon/patches.h5 does not exist`},
	"a checkpoint that is written":             {`with open("ckpts/best.pt", "wb") as f:`, `FileNotFoundError: [Errno 2] No such file or directory: 'ckpts/best.pt'`},
	"settings that are written":                {`with open("exp/config.yaml", "w") as f:`, `FileNotFoundError: [Errno 2] No such file or directory: 'exp/config.yaml'`},
	"a model that is published":                {`trainer.push_to_hub()`, `huggingface_hub.errors.HfHubHTTPError: 403 Client Error: Forbidden for url: https://huggingface.co/api/repos/create`},
	"a dataset that is downloaded":             {`torch.hub.download_url_to_file("http://x/dataset.zip", "d.zip")`, `urllib.error.HTTPError: HTTP Error 404: Not Found`},
	"a font":                                   {`safe_download(url)`, `ConnectionError: Download failure for https://github.com/ultralytics/assets/releases/download/v0.0.0/Arial.ttf`},
	"a folder in a program's words":            {`main()`, `FileNotFoundError: Could not find 'images/train'`},
	"a library that may not be read":           {`ctypes.CDLL("/app/ops.so")`, `OSError: /app/ops.so: cannot open shared object file: Permission denied`},
	"a shard's checksum":                       {`check(path)`, `RuntimeError: /data/shard-0001.tar: checksum does not match`},
	"weights of classes":                       {`read(path)`, `ValueError: could not load class weights from classes.csv`},
	"weights of classes that are not set":      {`read(cfg)`, `ValueError: class weights not found in the config`},
	"a name of weights":                        {`model = load_model(name)`, `ValueError: Invalid name of weights: imagenet22k`},
	"an option that is there twice":            {`p.add_argument("--lr")`, `argparse.ArgumentError: argument --lr: conflicting option string: --lr`},
	"a buffer of an optimizer":                 {`opt.step()`, `RuntimeError: momentum buffer should be on cuda`},
	"a loss without an answer":                 {`step()`, `RuntimeError: the loss became infeasible to compute`},
	"NaN in weights of the loss":               {`step()`, `ValueError: loss_weights must not contain NaN`},
	"settings in XML":                          {`ET.parse("settings.xml")`, `xml.etree.ElementTree.ParseError: mismatched tag: line 6, column 2`},
	"an answer about labels":                   {`label_with_llm(json.loads(answer))`, `json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)`},
	"a table of settings":                      {`pd.read_csv("hyperparameters.csv")`, `pandas.errors.ParserError: Error tokenizing data. C error: Expected 3 fields in line 4, saw 5`},
	"an archive of a backbone":                 {`tarfile.open("/data/backbone.tar.gz")`, `tarfile.ReadError: not a gzip file`},
	"a language model of the cloud":            {`c.invoke_model()`, `botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "https://bedrock-runtime.eu-west-1.amazonaws.com/model"`},
	"a mode of a function":                     {`F.pad(x, mode="foo")`, `ValueError: 'foo' is not a valid mode`},
	"inputs of a loss":                         {`loss(x, y)`, `ValueError: inputs and targets must match`},
	"graphs of CUDA":                           {`run()`, `RuntimeError: CUDA graphs are not available for this model`},
	"a decoder on the GPU":                     {`run()`, `ValueError: GPU decoding is not available in this build of torchcodec`},
	"a control group":                          {`os.mkdir(path)`, `OSError: [Errno 28] No space left on device: '/sys/fs/cgroup/cpuset/x'`},
	"CUDA in a process of the data loader":     {`multiprocessing.Pool(4).map(f, x)`, `RuntimeError: CUDA error: initialization error`},
	"a statistic in a project called training": {`np.load("priors/anchors.npy")`, `FileNotFoundError: [Errno 2] No such file or directory: 'priors/anchors.npy'`},
}

func TestARuleTakesNoLogOfOneFrame(t *testing.T) {
	for name, c := range near {
		text := "Traceback (most recent call last):\n  File \"/app/training/main.py\", line 9, in <module>\n    " + c[0] + "\n" + c[1]
		f := Diagnose(Evidence{ExitCode: 1, Checkpoints: -1, LogTail: log(text)})
		if f == nil || f.Code != contract.CodeTrainingFailed || !strings.HasPrefix(f.Message, c[1][:min(len(c[1]), 60)]) {
			t.Errorf("%s: %s", name, told(f))
		}
	}
}

// A line is told as a cause only where it does not speak of something that was passed over.
func TestALineThatSpeaksOfNoTroubleIsNoCause(t *testing.T) {
	for name, c := range map[string]struct {
		said string
		e    Evidence
	}{
		"a file that a shell copies":    {"cp: cannot stat 'runs/best.pt': No such file or directory", Evidence{ExitCode: 1}},
		"a batch that was left out":     {"2 batches were skipped because of CUDA out of memory", Evidence{ExitCode: 1}},
		"a cache that is not needed":    {"Could not write cache (No space left on device), continuing without", Evidence{ExitCode: 1}},
		"a count of no errors":          {"GPU 0: uncorrectable ECC errors: 0", Evidence{ExitCode: 1}},
		"a split that is not validated": {"val dataset is empty, skipping validation", Evidence{ExitCode: 137, Signal: 9}},
		"a word that begins like inf":   {"loss = information gain over all classes", Evidence{ExitCode: 3}},
		"a library that TensorFlow can do without": {
			"2021-01-01 12:00:00.123456: W tensorflow/stream_executor/platform/default/dso_loader.cc:60] Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file: No such file or directory",
			Evidence{ExitCode: 139, Signal: 11}},
	} {
		c.e.Checkpoints, c.e.LogTail = -1, log(c.said+"\nloading")
		if f := Diagnose(c.e); f == nil || f.Code != contract.CodeTrainingFailed || !strings.HasPrefix(f.Message, "The training ") || strings.Contains(f.Message, "libcudart") {
			t.Errorf("%s: %s", name, told(f))
		}
	}
}

func TestTheSameWordsAreOfAnotherCauseElsewhere(t *testing.T) {
	traceback := func(source, said string) []string {
		return log("Traceback (most recent call last):\n  File \"/app/train.py\", line 9, in <module>\n    " + source + "\n" + said)
	}
	jax := "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 68719476736 bytes."
	secret := "key = os.environ[\"HF_TOKEN\"]\n  File \"<frozen os>\", line 679, in __getitem__"
	for name, c := range map[string]struct {
		log    []string
		device string
		code   contract.Code
		says   string
	}{
		"JAX on a GPU":                    {traceback("f(x)", jax), "cuda", contract.CodeCUDAOOM, "Out of GPU memory"},
		"JAX without a GPU":               {traceback("f(x)", jax), "cpu", contract.CodeHostOOM, "The container ran out of memory"},
		"Java's threads":                  {log("Exception in thread \"main\" java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory"), "", contract.CodeTrainingFailed, "process limit"},
		"an image without CUDA":           {traceback("m.cuda()", "AssertionError: Torch not compiled with CUDA enabled"), "cuda", contract.CodeGPUError, "build for CUDA in the image"},
		"a key that the agent keeps back": {traceback(secret, "KeyError: 'HF_TOKEN'"), "", contract.CodeConfigInvalid, "AGENT_CHILD_ENV_ALLOW"},
		"a variable that nobody set":      {traceback(strings.ReplaceAll(secret, "HF_TOKEN", "TOKENIZER_NAME"), "KeyError: 'TOKENIZER_NAME'"), "", contract.CodeConfigInvalid, "which is not set"},
		"a key in a shell":                {log("run.sh: line 3: AWS_ACCESS_KEY_ID: unbound variable"), "", contract.CodeConfigInvalid, "AGENT_PASS_CREDENTIALS"},
		"cuDNN of another version":        {traceback("m(x)", "RuntimeError: cuDNN error: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH"), "cuda", contract.CodeTrainingFailed, "belong together"},
		"an image that could not be read": {traceback("open(p)", "FileNotFoundError: [Errno 2] No such file or directory: '/data/images/1.jpg'"), "", contract.CodeDatasetInvalid, "/data/images/1.jpg"},
		"weights among the data":          {traceback("torch.load(p)", "FileNotFoundError: [Errno 2] No such file or directory: '/data/weights/resnet50.pt'"), "", contract.CodeWeightsUnavailable, "resnet50.pt"},
	} {
		f := Diagnose(Evidence{ExitCode: 1, Checkpoints: -1, LogTail: c.log, Settings: Settings{Device: c.device}})
		if f == nil || f.Code != c.code || !strings.Contains(f.Line(), c.says) {
			t.Errorf("%s: %s", name, told(f))
		}
	}
}

// A cache that can't be written is no fault of the Hub, nor of the name of a model.
func TestACacheThatCanNotBeWrittenIsNoMissingModel(t *testing.T) {
	for first, hint := range map[string]string{
		"PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface/hub'": "must be readable for the user",
		"OSError: [Errno 30] Read-only file system: '/root/.cache'":                     "everything else may be read-only",
	} {
		f := Diagnose(Evidence{ExitCode: 1, Checkpoints: -1, LogTail: log(`Traceback (most recent call last):
  File "/opt/venv/lib/python3.10/site-packages/huggingface_hub/file_download.py", line 20, in hf_hub_download
    os.makedirs(storage_folder, exist_ok=True)
` + first + `

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    m = AutoModel.from_pretrained("bert")
OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.`)})
		if f == nil || f.Code != contract.CodeTrainingFailed || !strings.Contains(f.Hint, hint) {
			t.Errorf("%s: %s", first, told(f))
		}
	}
}

// What a generator of the script itself raises is its own fault, wherever it is called.
func TestAScriptsOwnGeneratorIsNoDataset(t *testing.T) {
	f := Diagnose(Evidence{ExitCode: 1, Checkpoints: -1, LogTail: log(`Traceback (most recent call last):
  File "/opt/venv/lib/python3.10/site-packages/datasets/builder.py", line 1740, in _prepare_split_single
    for key, record in generator:
  File "/app/gen.py", line 3, in gen
    r = lod(u)
NameError: name 'lod' is not defined

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/train.py", line 9, in <module>
    d = Dataset.from_generator(gen)
  File "/opt/venv/lib/python3.10/site-packages/datasets/builder.py", line 1775, in _prepare_split_single
    raise DatasetGenerationError("An error occurred while generating the dataset") from e
datasets.exceptions.DatasetGenerationError: An error occurred while generating the dataset`)})
	if f == nil || f.Code != contract.CodeTrainingFailed || !strings.Contains(f.Message, "name 'lod' is not defined") {
		t.Error(told(f))
	}
}

func told(f *contract.Failure) string {
	if f == nil {
		return "a success"
	}
	return fmt.Sprintf("%s %q, retryable %v", f.Code, strings.TrimSpace(f.Line()), f.Retryable)
}
