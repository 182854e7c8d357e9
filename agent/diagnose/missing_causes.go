package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// What a file is that is not there follows from its name, whatever the words that it
// is missed with. The names are those of datasets' files, of weights and of settings;
// one that may be anything is told in the exception's own words.
const (
	absent = `(?:[Nn]o such file\b|[Nn]ot [Ff]ound\b|NOT FOUND|does(?: not|n't) exist|\bnot exists?\b|[Cc]an ?not (?:be found|find|open|locate)|[Cc]an't (?:find|open|locate)|[Cc]ould(?: not|n't) (?:be found|find|open|locate)|(?:is|was|were) missing\b|[Nn]o file\b[^\n]{0,20} found)`

	dataNames   = `\.(?:jpe?g|png|bmp|tiff?|webp|nii|nii\.gz|mha|mhd|nrrd|dcm|npy|npz|xml|csv|tsv|parquet|arrow|tfrecords?|record|wav|flac|mp3|mp4|avi|mov|mkv|mat|pcd|ply|geojson|jsonl|JPE?G|PNG)|(?:[Ll]abels?|[Aa]nnotations?|ImageSets|splits?)[/\\][^\s'"]*\.txt|(?:train|val|valid|validation|test)\w{0,20}\.txt|(?:[Aa]nnotations?|instances|labels?|dataset|train|val|valid|test)(?:[_.-]?(?:annotations?|labels?|data|set|split|coco|\d+))*\.json|\b(?:data|datasets?)[/\\][\w./\\-]*\.json`
	modelNames  = `\.(?:pt|pth|pth\.tar|safetensors|ckpt|weights|h5|hdf5|keras|pdparams|caffemodel)|adapter_config\.json|adapter_model\.bin`
	configNames = `(?i:(?:config|cfg|conf|configs|hyp|hyps|hparams|settings|params|experiments?|train|trainer|recipes?)[\w./\\-]*\.(?:ya?ml|toml|ini|cfg|conf)|(?:config|cfg|settings|params|hyp)[\w-]*\.json|configs?[/\\][\w./\\-]+\.py)`

	hdf5 = `[Uu]nable to (?:synchronously )?open file \(unable to open file: name = '([^'\n]{1,300})'[^\n]{0,60}No such file`

	// dataFolder is how the folders of datasets are called.
	dataFolder = `(?i:(?:^|[/\\'" ])(?:data|datasets?|train\w*|val\w*|tests?|images?|images?\w*|imgs|labels?\w*|masks?|annotations?|JPEGImages|ImageSets|VOC\w*|coco\w*|splits?|tiles|shards|samples)[/\\])`
	// reading is where datasets are read.
	reading = `in (?:__getitem__|__getitems__|_?load_(?:image|img|label|mask|ann|data|sample)\w*|pil_loader|default_loader|_?read_image|imread\w*)\b|(?i:datasets?\w*(?:\.py|[/\\])|data_?loader\w*\.py|\bloader\.py)|read_csv|read_parquet`
	// inPath is a folder of datasets in a line that is no frame's own: a project may lie
	// in a folder of such a name.
	inPath = `(?m:^\s*(?:[^F\s]|F[^i\n]|Fi[^l\n]|Fil[^e\n]|File[^ \n])[^\n]*)` + dataFolder
	// ofOutput is what a training writes itself, and what a package or a report brings.
	ofOutput = `(?i:[/\\'"](?:dump|pred\w*|out|outputs?|results?|runs?|logs?|vis\w*|assets?|demo|fonts?|icons?|plots?|figures?)[/\\]|\b(?:logo|icon|watermark|confusion_matrix)\b|results\.csv|metrics\.csv|history\.csv)|in (?:save|dump|write|export)\w*\b|\.save\w*\(|open\([^\n]{0,200}['"][wax]b?\+?['"]|imwrite|savefig|to_csv|log_artifact|log_image|wandb|mlflow|os\.(?:remove|unlink|rename|replace)\(|shutil\.|'[^'\n]*site-packages/`
)

// named is a file of these names that is said not to be there, before or after its name.
func named(names string) *pattern.Pattern {
	return pattern.Of(absent + `[^'"\n]{0,60}['"]([^'"\n]{0,300}(?:` + names + `))['"]` +
		`|` + absent + `[^'"\n]{0,40}?[\s:]([^\s'"\n]{0,300}(?:` + names + `))(?:[\s.,;)\]]|$)` +
		`|(?:^|[\s'"(:])([^\s'"\n]{0,300}(?:` + names + `))['"]?[,:;]? [^\n]{0,12}?` + absent)
}

var missingCauses = []cause{
	{
		code: contract.CodeDatasetInvalid, raised: true, like: named(dataNames), stack: pattern.Of(inPath + `|` + reading), unless: pattern.Of(ofOutput),
		message: "A file of the dataset is not there: ${1}${2}${3}.", hint: "Check the path, the lists and annotations that name it, and that it was uploaded: the dataset is at DATASET_DIR.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true, like: pattern.Of(`^FileNotFoundError: [^\n]{0,40}No such file or directory: '([^'\n]{1,200})'`),
		stack:   pattern.Of(`(?:listdir|scandir|iterdir)\([^\n]*\n(?:[^\n]*\n){0,4}?[^\n]*No such file or directory: '(?:[^'\n]*[/\\])?(?i:data|datasets?|train\w*|val\w*|tests?|images?\w*|labels?\w*|masks?|annotations?)[/\\]?'`),
		unless:  pattern.Of(ofOutput),
		message: "The dataset's folder ${1} is not there.", hint: "Check the path: the dataset is at DATASET_DIR.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true, like: pattern.Of(`lmdb\.(?:\w*Error): ([^\s:]{1,300}): (?:No such file or directory|MDB_INVALID|MDB_CORRUPTED)`),
		message: "The dataset's LMDB is not there, or none: {short}.", hint: "Check the path: the dataset is at DATASET_DIR.",
	}, { // HDF5 holds both
		code: contract.CodeWeightsUnavailable, raised: true, like: pattern.Of(hdf5), stack: pattern.Of(`load_model|load_weights|saving`),
		message: "The weights ${1} are not there.", hint: checkWeights,
	}, {
		code: contract.CodeDatasetInvalid, raised: true, like: pattern.Of(hdf5), stack: pattern.Of(inPath + `|` + reading), unless: pattern.Of(ofModel + `|` + ofOutput),
		message: "A file of the dataset is not there: ${1}.", hint: "Check the path: the dataset is at DATASET_DIR.",
	}, {
		code: contract.CodeWeightsUnavailable, raised: true, like: named(modelNames),
		unless:  pattern.Of(ofDataset + `|` + ofOwnCheckpoint),
		message: "The weights ${1}${2}${3} are not there.", hint: checkWeights,
	}, {
		code: contract.CodeWeightsUnavailable, raised: true, like: pattern.Of(`(?i)\.\w{2,8} is not a checkpoint file|Failed to find any matching files for|No pretrained weights exist for|Unable to load weights from|find a valid checkpoint at|find a checkpoint index|no suitable checkpoints? found|\b(?:model|weights|checkpoint)\b[^\n]{0,80}checksum does not (?:not )?match|\b(?:checkpoints?|weights|pretrained (?:model|weights)|saved ?model)\b(?: (?:file|path))?(?: '[^'\n]{1,200}'| /\S{1,200})? (?:does(?: not|n't) exist|is missing|not found|is not a file)|(?:could not|couldn't|cannot|can't|unable to|failed to) (?:find|locate|open|load|read|download) (?:the )?(?:\w+ )?(?:weights|checkpoint|pretrained (?:model|weights|backbone))(?: file)?(?: from| at|:| ['"/])|\b(?:checkpoint|weights)(?: file)? \S+ is (?:empty|corrupt\w*|truncated|damaged)`), unless: pattern.Of(otherTraffic.String() + `|in save\w*\b|\.save\w*\(|Parent directory|(?i:size mismatch|shape|optimizer|\bkeys?\b|permission)`), without: pattern.Of(`(?i)(?:class|sample|loss|label|category)[ _]weights`),
		message: "The weights are not there, or can't be used: {short}.", hint: whereWeights + ", and that a checkpoint to resume from is there.",
	}, { // in whatever words, where weights are loaded
		code: contract.CodeWeightsUnavailable, raised: true,
		like:    pattern.Of(`(?i)\b(?:checkpoint|weights|zip archive|magic number|ModelProto|model\.safetensors|SavedModel|config file at)\b[^\n]{0,160}\b(?:corrupt\w*|damaged|truncated|incomplete|invalid header|not a valid (?:\w+ ){0,2}(?:file|archive|checkpoint)|has size)|(?:corrupt\w*|damaged|truncated|incomplete|error parsing)\b[^\n]{0,100}\b(?:checkpoint|weights|zip archive|magic number|ModelProto)\b|invalid (?:\w+ )?(?:zip archive|magic number|ModelProto)\b|Consistency check failed: file should be of size`),
		stack:   pattern.Of(`from_pretrained|load_\w*(?:checkpoint|weights|pretrained|state_dict|model)\w*|in load\b|onnx[/.]|torch\.load\(|torch/serialization|saved_model|safetensors|modeling_utils`),
		unless:  pattern.Of(otherTraffic.String() + `|in save\w*\b|Weights only load failed|size mismatch`),
		message: "The weights are damaged, or none: {short}.", hint: "Upload them again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeConfigInvalid, raised: true, like: named(configNames), unless: pattern.Of(`'[^'\n]*site-packages/|(?:processor|tokenizer|generation|adapter)_config\.json|check_(?:det_|cls_)?dataset|in save\w*\b|open\([^\n]{0,200},\s*(?:mode=)?['"][wax]b?\+?['"]|os\.(?:remove|unlink|rename|replace)\(|shutil\.`),
		message: "The script's settings ${1}${2}${3} are not there.", hint: "Check the trainer's command, the path, and what its Dockerfile copies into the image.",
	},
}
