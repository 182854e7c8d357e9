package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	otherWeights = "Use weights of the same model with the same number of classes, or let the head be replaced."
	noInternet   = "The training has no way to that server, as is usual in a training container. "
	bringWeights = "Put the weights into the job (PRETRAINED_WEIGHT_URL)."
	whereWeights = "Check MODEL_NAME and where the weights are from: PRETRAINED_WEIGHT_URL, AGENT_WEIGHTS_DIR or weights/ in the bucket"
	checkWeights = whereWeights + "; a checkpoint of the training's own must have been saved there before."

	ofOwnTrainer = `(?:cannot load the weights /\S|the weights (?:in )?/[^\n]{1,300}? (?:do not (?:fit|exist)\b|hold |name |are (?:of|not of|not a|an empty|a page|a pointer|a folder|a zip|cut short|NaN)\b))`

	// ofDataset are tensors of a dataset by their names, tensorsOfDataset by their folder,
	// where nameOfWeights is what weights are called there.
	ofDataset        = `/(?:processed|raw|tokens|features|embeddings|latents)/|(?:^|[/'"\s])(?:train|val|test|training|validation)[\w-]*\.(?:bin|pt|h5)\b|dataset\w*\.(?:bin|pt|h5)\b`
	tensorsOfDataset = `(?:^|[/\\'"\s])(?:data|datasets?)[/\\][^'"\s]*\.(?:pt|bin|h5|hdf5)\b`
	nameOfWeights    = `(?i)unable to open file|weight|checkpoint|ckpt|pretrain|model|backbone|encoder|yolo|resnet|\bvit|\bbest|\blast|epoch|\bsam\d?\b|dino|clip|swin|efficientnet|convnext|mobilenet`
	// ofOwnCheckpoint is what is done to a file that the training writes itself, and where
	// no weights are read.
	ofOwnCheckpoint = `in __getitem__\b|memmap|torch_geometric|os\.(?:remove|unlink|rename|replace|listdir|stat)\(|shutil\.|\.unlink\(|_del_model|in save\b|open\([^\n]{0,200},\s*(?:mode=)?['"][wax]b?\+?['"]`
)

var (
	// downloads are the functions that fetch pretrained weights, and the places where
	// they lie.
	downloads = pattern.Of(`from_pretrained|hf_hub_download|snapshot_download|cached_file|load_state_dict_from_url|download_url_to_file|torch/hub|model_zoo|attempt_download|safe_download|download_asset|keras/.{0,20}/?get_file|load_pretrained|_download_to_file|clip\.load|gdown[^\n]{0,160}\.(?:weights|pth?|h5|safetensors|ckpt)\b|/resolve/\S+\.(?:json|safetensors|bin|pt|pth)|download\.pytorch\.org|releases/download|\.pth?\b.{0,40}download|https?://[^\s"']+\.(?:weights|pth?|h5|hdf5|safetensors|ckpt|caffemodel|pdparams)\b`)
	// otherTraffic is what goes over the network beside them.
	otherTraffic = pattern.Of(`load_dataset|repo_type=["']dataset|(?:huggingface\.co|url:) ?/(?:api/)?datasets/|datasets/(?:load|utils|builder)|datasets/.{0,20}\.py", line \d+, in (?:load|download)|evaluate/|evaluate\.load|load_metric|nltk|modelcard|model_card|push_to_hub|upload_f|create_commit|create_repo|wandb|mlflow|comet_ml|neptune|clearml|swanlab|\.[to]tf\b|\b(?:data|dataset|images|annotations|labels|coco\w*|train\w*|val\w*|test)[\w-]*\.(?:zip|tar|tgz)\b`)
	// offline is how a network that is not there shows.
	offline = pattern.Of(`URLError|gaierror|getaddrinfo|Name or service not known|name resolution|NameResolutionError|SSLError|CERTIFICATE_VERIFY_FAILED|MaxRetryError|NewConnectionError|ConnectTimeout|ReadTimeout|ConnectionError|ConnectError|Network is unreachable|Connection (?:refused|timed out|aborted|reset)|RemoteDisconnected|ProxyError|timed out`)
)

// weightsCauses are weights that are not there, can't be fetched or read, or do not fit the
// model, and the store of the script's own.
var weightsCauses = []cause{
	{ // in the words of this project's own trainers, which often name the cure
		code: contract.CodeWeightsUnavailable, raised: true, like: pattern.Of(`^(` + ofOwnTrainer + `[^\n]*[.;:] (?:[Gg]ive|[Ss]ave|[Ff]etch|[Uu]se) [^\n]*[^\n.])`),
		message: "${1}.",
	}, {
		code: contract.CodeWeightsUnavailable, raised: true, like: pattern.Of(`^(` + ofOwnTrainer + `(?:[^\n]*[^\n.])?)`),
		message: "${1}.", hint: whereWeights + ".",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?:INVALID_PROTOBUF|NO_SUCHFILE) : Load model from (\S{1,300}) failed`),
		message: "The model file ${1} is not there, or no ONNX model.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`[Nn]o file named [^\n]{1,300} found in directory|Can't load (?:the )?[\w ]{1,30} (?:for|of) '[./]|^\S*: [./][^\s]* does not appear to have (?:a file|files) named`), unless: otherTraffic,
		message: "The pretrained weights could not be loaded from their folder: {short}.", hint: "Check the path, and that the folder holds the weights, config.json and the files of the tokenizer or image processor. " + bringWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?i)We couldn't connect to 'https://huggingface\.co/?'|LocalEntryNotFoundError|RepositoryNotFoundError|GatedRepoError|access a gated repo|is not a local folder and is not a valid model identifier|Can't load (?:the )?(?:model|tokenizer|configuration|config|image processor|feature extractor|processor)\b[^\n]{0,20} (?:for|of) |OfflineModeIsEnabled|outgoing traffic has been disabled|no file named \S*(?:pytorch_model|model\.safetensors|tf_model|diffusion_)|does not appear to have (?:a file named|files named) \S*(?:pytorch_model|model|config)|is not cached locally and an error occurred|cannot find the requested files in the (?:disk|local) cache|couldn't find \S+ in the cached files|there is no internet connection and the repo could not be found`),
		unless:  pattern.Of(otherTraffic.String() + `|(?m:^PermissionError: |^OSError: \[Errno 30\])`), // the cache can't be written
		names:   pattern.Of(`(?:from_pretrained|hf_hub_download|snapshot_download)\(\s*['"]([\w.-]+/[\w.-]+)['"]`),
		message: "The pretrained weights could not be loaded from the Hugging Face Hub: {short}.",
		hint:    "Put the weights into the job (PRETRAINED_WEIGHT_URL) or check the model's name and its access.",
	}, { // a path that is not there is taken for a name
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`Repo id must [^\n]{0,120}?: '([^'\n]{1,200})'`), stack: pattern.Of(`from_pretrained|hf_hub_download|cached_file`),
		unless:  otherTraffic,
		message: "${1} is neither a folder that is there nor a model's name on the Hugging Face Hub.", hint: "Check the path, or the model's name. " + bringWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`Unrecognized model in (\S+?)\. Should have a`),
		message: "${1} holds no model of the transformers library: its config.json is missing, or does not name the model's type.", hint: "Check the folder, or the model's name. " + bringWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`HTTP Error (?:401|403|404|410)\b|FileURLRetrievalError`), stack: downloads, unless: otherTraffic,
		message: "The pretrained weights could not be downloaded: {short}.",
		hint:    "The server answered, but did not give the file: check its address and who may read it. " + bringWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`HTTP Error (?:429|5\d\d)\b|\b(?:429 Client|5\d\d Server) Error`), stack: downloads, unless: otherTraffic,
		message: "The pretrained weights could not be downloaded: {short}.", kind: contract.FailureTransient,
		hint: "The server refused for now: run it again. " + bringWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: offline, stack: downloads, unless: otherTraffic,
		message: "The pretrained weights could not be downloaded: {short}.", kind: contract.FailureSystem,
		hint: noInternet + bringWeights,
	}, { // tensors may be data: their place says so where their name does not
		code: contract.CodeTrainingFailed, raised: true, like: pattern.Of(absent + `[^\n]*` + tensorsOfDataset + `|` + tensorsOfDataset + `[^\n]*` + absent), without: pattern.Of(nameOfWeights),
		message: "{short}.", hint: "Check the path: the dataset is at DATASET_DIR, weights are at PRETRAINED_WEIGHTS.",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`No such file or directory: '?([^'\n]*\.(?:pt|pth|pth\.tar|safetensors|bin|ckpt))['"\s]|No such file or directory: '?([^'\n]*\.(?:pt|pth|pth\.tar|safetensors|bin|ckpt))$`),
		unless:  pattern.Of(ofDataset + `|` + ofOwnCheckpoint + `|^(?:cp|mv|ls|rm|ln|cat|stat|chmod|tar): `),
		message: "The weights ${1}${2} are not there.", hint: checkWeights,
	}, { // in a program's own sentence
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?i)([^\s'"<>]+\.(?:pt|pth|pth\.tar|safetensors|ckpt|weights|h5|pdparams|caffemodel))\b['"]?,? (?:(?:was|is|could|can) )?(?:not (?:be )?(?:found|a valid file|exist|located)|does(?: not|n't) exist|cannot be found|is missing)|\b(?:checkpoint|weights)(?: file)? ['"]?/?[\w./-]+['"]? (?:(?:was|is|could|can) )?not (?:be )?found|File not found: filepath=\S+\.(?:keras|h5)\b|no (?:checkpoint|weights?|model) (?:file )?found at ['"]?(?P<at>[^\s'"]+)`), raised: true, unless: pattern.Of(ofDataset),
		message: "The weights are not there: {short}.", hint: checkWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?i)(?:401|403|404) Client Error[^\n]{0,200}(?:huggingface\.co|/resolve/)|invalid hash value \(expected`),
		unless:  pattern.Of(otherTraffic.String() + `|huggingface\.co/(?:api/)?datasets/|huggingface\.co/api/(?:repos|models/[^\s/]+/[^\s/]+/(?:commit|preupload))`),
		message: "The pretrained weights could not be downloaded: {short}.", hint: bringWeights,
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`Unable to (?:synchronously )?open file \((?:truncated file|file signature not found|bad [a-z ]{1,60}\)|addr overflow)`), stack: pattern.Of(`in load_model\b|in load_weights\b|load_model\(|load_weights\(`), raised: true,
		message: "The weights file is damaged or no weights file at all.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, { // a pickle may be anything: a dataset's index, a message to a worker
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`invalid load key|pickle data was truncated|^EOFError|WeightsUnpickler error:\s+Unsupported operand (?:10|60|118|123)\b`),
		stack:   pattern.Of(`torch/serialization|torch\.load\(|load_checkpoint|load_state_dict|load_weights|checkpointer?\.py|attempt_load|from_pretrained|^[^\n]*invalid load key[^\n]*$`),
		unless:  pattern.Of(`in __getitem__|torch_geometric|` + ofDataset),
		message: "The weights file is damaged or no weights file at all.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?i)unexpected EOF, expected \d+ more bytes|failed finding central directory|HeaderTooLarge|Error while deserializing header|not a valid checkpoint|InvalidHeaderDeserialization|MetadataIncompleteBuffer`),
		message: "The weights file is damaged or no weights file at all.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`^OSError: \[Errno 22\] Invalid argument$`), stack: pattern.Of(`PyTorchFileReader\(`),
		names:   pattern.Of(`\w+\(['"]([^'"\n]{1,200}\.(?:pt|pth|ckpt|bin))['"]`),
		message: "The weights file is damaged or no weights file at all.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?i)Download failure for ([^\n]{0,200})|URL fetch failure on \S*(?:weights|notop|\.h5|\.keras)[^\n]{0,120}|Error downloading (?:object )?([^\n]{0,200}\.(?:pt|pth))`), unless: pattern.Of(`\.[to]tf\b`),
		message: "The pretrained weights could not be downloaded: ${0}.", hint: bringWeights,
	}, {
		code: contract.CodeStorageError, like: pattern.Of(`(?i)botocore\.exceptions\.(?:EndpointConnectionError|ConnectTimeoutError|ReadTimeoutError|ConnectionClosedError)|Could not connect to the endpoint URL`), unless: pattern.Of(`https?://(?:sts|logs|sagemaker|monitoring|secretsmanager|ssm|kms|sqs|sns|dynamodb|lambda|bedrock[\w-]*|ecr|api)\b`),
		message: "The training script could not reach its object store.", hint: "Let the agent fetch data and weights, or check the endpoint.",
	}, { // transformers prints the tensors as a table above it
		code: contract.CodeTrainingFailed, like: pattern.Of(`You set .ignore_mismatched_sizes. to .False., thus raising an error`),
		message: "The weights do not fit the model: some tensors have another shape, most often those of a head with another number of classes.", hint: "The table before the traceback names them. Pass ignore_mismatched_sizes=True, which makes a new head, or use weights with the same classes.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(?s)Error\(s\) in loading state_dict for ([\w.]+).*Unexpected key\(s\) in state_dict: "module\.`),
		message: "The weights do not fit the model ${1}: the names of their tensors begin with \"module.\".", hint: "They are those of a model in DataParallel or DistributedDataParallel: save model.module.state_dict(), or take the prefix off before they are loaded.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`Error\(s\) in loading state_dict for ([\w.]+):\s*((?:Missing|Unexpected) key\(s\) in state_dict: "[^"\n]{1,200}"|size mismatch for [^\n]{1,200}[^\n.])`),
		message: "The weights do not fit the model ${1}: ${2}.", hint: otherWeights,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`Error\(s\) in loading state_dict for ([\w.]+)`),
		message: "The weights do not fit the model ${1}.", hint: otherWeights,
	},
}
