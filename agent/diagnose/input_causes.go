package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	checkDataset = "Check the dataset's images, annotations and splits."
	otherWeights = "Use weights of the same model with the same number of classes, or let the head be replaced."
	noInternet   = "The training has no way to that server, as is usual in a training container. "
	ofDataset    = `/(?:processed|raw|tokens|features|embeddings|latents)/|(?:^|[/'"\s])(?:train|val|test|training|validation)[\w-]*\.(?:bin|pt|h5)\b|dataset\w*\.(?:bin|pt|h5)\b`
	bringWeights = "Put the weights into the job (PRETRAINED_WEIGHT_URL)."
	checkWeights = "Check MODEL_NAME and PRETRAINED_WEIGHT_URL; a checkpoint of the training's own must have been saved there before."

	// ofOwnCheckpoint is what is done to a file that the training writes itself.
	ofOwnCheckpoint = `memmap|torch_geometric|os\.(?:remove|unlink|rename|replace|listdir|stat)\(|shutil\.|\.unlink\(|_del_model|in save\b|open\([^\n]{0,200},\s*(?:mode=)?['"][wax]b?\+?['"]`

	// tensorsOfDataset are files of tensors in the folders of datasets, nameOfWeights what
	// weights are called there.
	tensorsOfDataset = `(?:^|[/\\'"\s])(?:data|datasets?)[/\\][^'"\s]*\.(?:pt|bin|h5|hdf5)\b`
	nameOfWeights    = `(?i)unable to open file|weight|checkpoint|ckpt|pretrain|model|backbone|encoder|yolo|resnet|\bvit|\bbest|\blast|epoch|\bsam\d?\b|dino|clip|swin|efficientnet|convnext|mobilenet`

	// secretName is a variable that is kept from the training (see config.LooksSecret).
	secretName   = `(\w*(?i:SECRET|PASSWORD|API_KEY|ACCESS_KEY)\w*|\w*(?i:TOKENS?)(?:_\w+)?)`
	ofEnviron    = `(?m)os\.environ\[[^\n]*\n(?:[ ~^]+\n)?\s*File "(?:<frozen os>|[^"\n]*/os\.py)", line \d+, in __getitem__`
	withheldHint = "Variables that look like secrets are withheld from the training: AGENT_CHILD_ENV_ALLOW names exceptions, and AGENT_PASS_CREDENTIALS=true leaves the bucket's keys."

	// isNoLack: the library is there and may not be read, or TensorFlow looked for one that it can do without.
	isNoLack = `Could not load dynamic library|shared object file: (?:Permission|Operation|Too many|Input)`
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

// inputCauses are faults of what the job was given: dataset, weights, settings,
// script and image.
var inputCauses = []cause{
	{
		code: contract.CodeNaNLoss, like: pattern.Of(`(?i)loss (?:is|became|=) ?(?:nan|inf|infinite|non-finite)\b|(?:nan|inf)[/ ]?(?:or )?(?:inf|nan)? (?:loss|detected in loss)|cost matrix is infeasible|matrix contains invalid numeric entries|Function '\w+' returned nan values|returned nan values in its|FloatingPointError: invalid value \((?:nan|inf)\) encountered|non-finite loss|loss is not finite|Invalid loss, terminating training|contain(?:s|ed)? inf/nan|training has diverged|nans? (?:values? )?(?:(?:was|were) )?(?:found |detected |encountered )?in (?:the )?(?:\w+ )?loss\b|loss (?:contains|contained|has) (?:a )?(?:nan|inf)\b|found (?:nan|inf) in (?:the )?(?:\w+ )?loss\b|loss(?:es)? (?:has |have |got )?(?:gone|turned|diverged to|reached) (?:to )?(?:nan|inf)`),
	}, { // in whatever words: that of an exception is no line of a log that merely shows the loss
		code: contract.CodeNaNLoss, raised: true, like: pattern.Of(`(?i)\b\w*loss(?:es)?(?:_\w+)?\b[^\n.,]{0,40}\b(?:nans?|infinite|non-?finite|not finite)\b|\b(?:nans?|non-?finite)\b[^\n.,]{0,20}\b\w*loss(?:es)?(?:_\w+)?\b|\b(?:diverged|training failed|exploded)\b[^\n]{0,30}\bnans?\b|\bnans? persisted|corrupted with nans?\b`),
		unless: pattern.Of(`(?i)\bmonitor|early ?stopping`), without: pattern.Of(`(?i)\b(?:loss|class|pos|sample)[ _]weight|loss[ _]scale`),
	}, {
		code: contract.CodeNaNLoss, raised: true, like: pattern.Of(`^AssertionError\b`), stack: pattern.Of(`assert (?:not )?(?:\w+\.)*is(?:nan|finite|inf)\(\w*loss`),
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`(?:images )?not found.{0,9}missing paths? ([^\n]{0,200})`),
		message: "The trainer found no images at ${1}.", hint: checkDataset,
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Dataset '([^'\n]{1,200})' error[^\n]{0,60}Download failure`),
		message: "The dataset ${1} is not there, and could not be downloaded.", hint: noInternet + "Check the path: the job's own dataset is at DATASET_DIR.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Dataset '?[^'\n]{0,200}'? error[^\n]{0,200}(?:\n ?[^\n]{1,200}[^\n.])?|No .\w{1,40}. in the \S+\.ya?ml|Error loading data from[^\n]{0,200}|No (?:valid )?(?:images|labels) found in[^\n]{0,200}|No labels in [^\n]{0,200}|Found 0 (?:files|images) in subfolders of[^\n]{0,200}|Found no images? in sub[^\n]{0,200}|(?i:all labels empty)[^\n]{0,200}`), unless: pattern.Of(`(?i)predict(?:ion|ed)s?\b[^\n]{0,20}(?:folder|dir|path)|No images found in \S*/(?:out|outputs?|pred\w*|results?)/`),
		message: "The dataset can't be read by the trainer: ${0}.", hint: checkDataset,
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`num_samples should be a positive integer value[^\n]{0,60}|num_samples=0|(?i:\b(?:train|val|training|validation)?_?(?:dataset|dataloader|data loader|split)\b[^\n]{0,40}\bis empty)|Total length of ` + "`DataLoader`" + ` across ranks is zero|empty range for randrange\(\)(?: \(0, 0, 0\))?(?:\n|$)|empty range in randrange\((?:0, )?0\)`), unless: pattern.Of(`(?i)(?:name|path|dir\w*|folder|root|key|url|id|string|argument|field)['"]? is empty`), without: pattern.Of(`(?i)\bskipp|\bignor(?:ed|ing)|\bdisabl`), // it went on
		message: "A split of the dataset is empty: {short}.", hint: checkDataset,
	}, { // numpy's words for a list without members, said while a dataset or a sampler is built
		code: contract.CodeDatasetInvalid, like: pattern.Of(`need at least one array to (?:concatenate|stack)|(?:min|max)\(\) (?:arg is an|iterable argument is) empty sequence?`),
		stack:   pattern.Of(`(?i)class .\w*dataset|in build_(?:data|train_loader|detection)|[/\\](?:data)?samplers?\b|datasets?\.py", line \d+, in (?:__init__|full_init|_?load)|build_dataset`),
		message: "A split of the dataset is empty: {short}.", hint: "No image is left: check the annotation file, its paths and that its class names are those of the settings.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`(?i)\bno (?:valid |usable |training |labell?ed )?(?:images?|image files?|samples?|annotations?|labels?|(?:valid |training |usable )data)\b(?: files?)? (?:(?:was|were|are|is) )?(?:found|left|loaded)\b[^\n]{0,160}`), raised: true,
		unless:  pattern.Of(`(?i)optimizer|checkpoint|metric|predict`),
		message: "The trainer found nothing to train on: {short}.", hint: checkDataset,
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Dataset not found|'[^'\n]{1,200}\.ya?ml' does not exist|[Ff]ile [Nn]ot [Ff]ound: \S+\.ya?ml`),
		stack:   pattern.Of(`in (?:check_(?:det_|cls_)?dataset|get_dataset|get_data)\b|check_(?:det_|cls_)?dataset\(`),
		message: "The trainer did not find the dataset: {short}.", hint: "Check the dataset's description (its yaml) and the paths in it.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^RuntimeError: (?:Dataset(?: metadata file)? not found|[^\n]{0,200}(?:does not exist|not found in \S{1,200}) or (?:is )?corrupted)`), stack: pattern.Of(`torchvision/datasets`),
		message: "The trainer did not find the dataset, or not all of it: {short}.", hint: "Check that its files lie at DATASET_DIR as torchvision expects them.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`(?i)^(?:FileNotFoundError|OSError): [^\n]{0,40}(?:No such file or directory|not found): '?([^'\n]{1,300}\.(?:jpe?g|png|bmp|tiff?|webp|gif))\b`),
		stack:   pattern.Of(`in (?:__getitem__|__getitems__|load_image|load_img|pil_loader|default_loader|read_image|_read_image|_load_image)\b|datasets?/[\w/]+\.py", line|datasets?\.py", line`),
		unless:  pattern.Of(`(?i)/(?:dump|pred\w*|outputs?|results?|runs?|vis\w*|assets?|demo|fonts?|icons?)/|\b(?:logo|icon|watermark)\b|in save\b|\.save\(`),
		message: "An image of the dataset is not there: ${1}.", hint: "Check the paths in the annotations and that all images were uploaded.",
	}, { // an annotation file by its name, in a program's own sentence
		code: contract.CodeDatasetInvalid, like: pattern.Of(`(?i)(?:invalid|not found|not find|no such|missing|can(?:not|'t) (?:open|load|read))\b[^\n]{0,60}?[\w./\\:-]*(?:annotations?|instances_\w+|ImageSets)[\w./\\-]*\.(?:json|xml|txt|csv)\b|\S*(?:annotations?|instances_\w+|ImageSets)\S*\.(?:json|xml|txt|csv)\b['"\])]* (?:was |is |does |could |can)?(?:not|n't) (?:be )?(?:found|exist|read|valid)|not found any \w+ record`), raised: true,
		message: "An annotation file of the dataset is missing or can't be used: {short}.", hint: "Check the dataset's annotation files and their names.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Label class (\d+) exceeds (?:nc=|dataset class count )(\d+)[^\n]*`),
		message: "The dataset has a label of class ${1}, but only ${2} classes.", hint: "Check the class list and the annotations' class ids.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Found no valid file for the classes ([^\n]{0,200})`),
		message: "The dataset has classes without images: ${0}", hint: "Give every class at least one image in every split.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Couldn't find any class folder in ([^\n]{0,200})`),
		message: "The dataset has no folder for each class: ${0}.", hint: "Images for classification lie in one folder for each class, below each split's.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^FileNotFoundError: [^\n]{0,40}No such file or directory: '([^'\n]{1,200})'`), stack: pattern.Of(`datasets[/\\]folder\.py|in find_classes\b|in index_directory\b`),
		message: "The dataset's folder ${1} is not there.", hint: "Check the path: the dataset is at DATASET_DIR.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`No such file or directory: '?([^'\n]{1,200}\.tar(?:\.gz)?)\b`), stack: pattern.Of(`webdataset|\bwids\b`),
		message: "A shard of the dataset is not there: ${1}.", hint: "Check the path: the dataset is at DATASET_DIR.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`cannot identify image file ([^\n]{0,200})`),
		message: "An image of the dataset can't be read: ${1}.", hint: "Replace or remove the file.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Assertion failed\) !\w*(?:src|img|image)\w*\.empty\(\)|Assertion failed\) !ssize\.empty\(\)`),
		names:   pattern.Of(`imread_?\('([^'\n]{1,300})'\): can't open/read file`),
		unless:  pattern.Of(`in function '(?:imwrite|imencode|imshow)'`), // the trainer's own picture
		message: "OpenCV was given an empty image ({short}).", hint: "A path that does not exist, a damaged file or a crop without an area looks like this: check the dataset's images and boxes.",
	}, { // cv2.imread gives None for what it can't read
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^AssertionError$`), stack: pattern.Of(`assert im(?:g|age)?\w{0,8} is not None`),
		message: "An image of the dataset can't be read: the trainer got nothing in its place.", hint: "A path that does not exist or a damaged file looks like this: check the dataset's images.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`image file is truncated[^\n]{0,100}|broken data stream when reading image file|Truncated File Read`),
		message: "An image of the dataset is damaged: ${0}.", hint: "Replace or remove the file.",
	}, { // TensorFlow, libjpeg, libpng, torchvision.io, PIL
		code: contract.CodeDatasetInvalid, like: pattern.Of(`animated gifs can only be decoded[^\n]{0,60}|Unable to decode bytes as [A-Z]|Unknown image file format|(?:Not a|Invalid|Corrupt) (?:JPEG|PNG|GIF|BMP)\b[^\n]{0,80}|jpeg::Uncompress failed|[Ii]nvalid (?:JPEG|PNG) data or crop|Image is corrupted|(?:Unsupported|Cannot handle this) (?:image|color) (?:file|type)|Image decoding failed|Failed to decode (?:WebP|JPEG|PNG|GIF|BMP|AVIF)\b|DecompressionBombError|corrupted record at \d+|\bDataLossError|InvalidDicomError|nibabel\.\S*ImageFileError|DECORDError|LibsndfileError`),
		unless:  pattern.Of(`checkpoint_reader|restore|load_weights|ckpt`),
		message: "A file of the dataset can't be decoded: {short}.", hint: "Find the file (an image of another kind behind the name's ending, a truncated one) and replace or remove it.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Feature: ([^\n]{1,100}) \(data type: \w+\) is required but could not be found|Key: ([^\n]{1,100})\.  (?:Can't parse serialized Example|Data types don't match)`),
		message: "The dataset's records lack a field that the trainer reads, or have it in another type: ${0}.", hint: "Write the TFRecords with the fields that the trainer's parser names.",
	}, { // torchvision, albumentations, detectron2
		code: contract.CodeDatasetInvalid, like: pattern.Of(`All bounding boxes should have positive height and width|Expected [xy]_(?:min|max) for bbox|[xy]_max is less than or equal to [xy]_min|does not exist in 'categories' of the dataset|(?i:height and width of image, masks? (?:or|and) masks should be equal)`),
		message: "An annotation of the dataset is not valid: {short}.", hint: checkDataset,
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`(?i)annotation file format .{0,60} not supported`),
		message: "An annotation file of the dataset is not in COCO's format: {short}.", hint: "It must be one JSON object with images, annotations and categories.",
	}, { // settings in JSON: a variable, or a file by its name
		code: contract.CodeConfigInvalid, like: pattern.Of(`JSONDecodeError`),
		stack:   pattern.Of(`json\.loads\((?:os\.)?(?:environ|getenv)|json\.load\(open\(['"](?:[^'"\n]{0,100}/)?[\w-]*(?:config|cfg|settings|params|hyp)[\w-]*\.json`),
		names:   pattern.Of(`json\.loads?\((?:open\(|(?:os\.)?(?:environ(?:\.get)?[\[(]|getenv\())['"]([^'"\n]{1,200})`),
		message: "The script's settings are no valid JSON: {short}.", hint: "Correct it; JSON has double quotes and no trailing commas.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^KeyError: '` + secretName + `'$`),
		stack:   pattern.Of(ofEnviron),
		message: "The script needs the variable ${1}, and has not been given it.", hint: withheldHint,
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^KeyError: '(\w{1,100})'$`),
		stack:   pattern.Of(ofEnviron),
		unless:  pattern.Of(`KeyError: '(?:RANK|WORLD_SIZE|LOCAL_RANK|MASTER_ADDR|MASTER_PORT|USER|HOME|SLURM_\w+)'`),
		message: "The script needs the variable ${1}, which is not set.", hint: "Set it in the job's settings or in the image.",
	}, { // numbers in variables
		code: contract.CodeConfigInvalid, like: pattern.Of(`^ValueError: (?:invalid literal for int\(\)|could not convert string to float)`),
		stack:   pattern.Of(`(?:int|float)\((?:os\.)?(?:environ|getenv)`),
		message: "A variable of the environment holds no number: {short}.", hint: "That line of the script names the variable: correct it in the job's settings.",
	}, { // configparser and TOML are for settings only
		code: contract.CodeConfigInvalid, like: pattern.Of(`TOMLDecodeError|TomlDecodeError|^configparser\.\w+Error`),
		names:   pattern.Of(`open\(['"]([^'"\n]{1,200}\.toml)['"]`),
		message: "The script's settings can't be read: {short}.", hint: "Correct the file.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?i)^pydantic\S*ValidationError: \d+ validation errors? for (\w*(?:config|settings|args|arguments|options|params))\n([^\n]{1,100})\n\s*([^\n\[]{1,200}[^\s\[])`),
		message: "The script's settings (${1}) are not valid: ${2}: ${3}.", hint: "Correct the value.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Parquet magic bytes not found|Parquet file size is \d+ bytes|Not an Arrow file`), raised: true,
		message: "A table of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload looks like this.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Segment dataset requires equal numbers of boxes and segments`),
		message: "The dataset has boxes where the task needs outlines: {short}.", hint: "Give the segmentation a dataset with polygons, or train for detection.",
	}, { // transformers prints the tensors as a table above it
		code: contract.CodeTrainingFailed, like: pattern.Of(`You set .ignore_mismatched_sizes. to .False., thus raising an error`),
		message: "The weights do not fit the model: some tensors have another shape, most often those of a head with another number of classes.", hint: "The table before the traceback names them. Pass ignore_mismatched_sizes=True, which makes a new head, or use weights with the same classes.",
	}, { // an archive that the script itself unpacks
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^(?:zipfile\.)?BadZipFile: `),
		stack:   pattern.Of(`ZipFile\(|unpack_archive\(`),
		names:   pattern.Of(`(?:ZipFile|unpack_archive)\(['"]([^'"\n]{1,200})`),
		unless:  pattern.Of(`(?i)weights|checkpoint|ckpt|pretrained|model|\.pth?\b|\.npz|torch/(?:serialization|hub)|numpy/lib`),
		message: "An archive of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload or a server's error page looks like this.",
	}, {
		code: contract.CodeWeightsUnavailable, like: pattern.Of(`(?:INVALID_PROTOBUF|NO_SUCHFILE) : Load model from (\S{1,300}) failed`),
		message: "The model file ${1} is not there, or no ONNX model.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`JSONDecodeError|Expecting (?:value|property name|',' delimiter)[^\n]*line \d+ column`),
		stack: pattern.Of(`(?i)pycocotools|/coco\.py|COCO\(|annotation|instances_|labels?(?:_\w+)?\.json|in (?:load|read|parse|get)_labels?|[/\\]labels?[/\\]`), unless: network,
		message: "An annotation file is no valid JSON: {short}.", hint: "Check the dataset's annotation files.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`ElementTree\.ParseError|xml\.parsers\.expat\.ExpatError|XMLSyntaxError`), unless: pattern.Of(network.String() + `|(?i:['"][^'"\n]*(?:settings|config|urdf|mjcf)[^'"\n]*['"])`),
		message: "An annotation file is no valid XML: {short}.", hint: "Check the dataset's annotation files.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^KeyError: '(?:annotations|images|categories|image_id|category_id|bbox|id)'`), stack: pattern.Of(`pycocotools/coco\.py", line \d+, in (?:createIndex|__init__|loadRes)`),
		message: "The annotation file lacks a field of COCO's format: {short}.", hint: "Check the dataset's annotation files.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^KeyError: ('?\d+'?)$`), stack: pattern.Of(`pycocotools/coco\.py", line \d+, in (?:<listcomp>|load(?:Imgs|Anns|Cats))\n(?:[^\n]*\n){0,3}[^\n]*KeyError`),
		message: "An annotation names ${1}, which is not among the dataset's images or categories.", hint: "Check the ids in the dataset's annotation files.",
	}, { // a script that reads COCO's format by itself
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^KeyError: '(annotations|images|categories|image_id|category_id|bbox|file_name|segmentation)'$`),
		stack:   pattern.Of(`(?i)\b\w*(?:ann|anns|annotations?|coco|instances)(?:_?\w{0,10})?\[['"](?:annotations|images|categories|image_id|category_id|bbox|file_name|segmentation)['"]\][^\n]*\n(?:[ ~^]+\n)?KeyError`),
		message: "The annotation file lacks the field ${1}.", hint: "Check the dataset's annotation files.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^KeyError: "?'?(?:\w*Dataset: )?\\?'?(?:annotations|images|categories|image_id|category_id|bbox|file_name|segmentation)\\?'`), stack: pattern.Of(`in (?:load_annotations|load_data_list|load_coco_json|_parse_ann_info|parse_data_info|get_ann_info|load_proposals)\b`),
		message: "The annotation file lacks a field of COCO's format: {short}.", hint: "Check the dataset's annotation files.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`pandas\.errors\.(?:ParserError|EmptyDataError)`), raised: true,
		unless:  pattern.Of(`results\.csv|plot_results|[\w/]*logs?/|metrics\.csv|history|(?i:['"][^'"\n]*(?:hyper|config|settings)[^'"\n]*['"])`),
		message: "A table of the dataset can't be read: {short}.", hint: "Check the dataset's CSV files: their separator, their quotes and the number of fields in each line.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Unable to (?:synchronously )?open file \((?:truncated file|file signature not found|bad [a-z ]{1,60}\)|addr overflow)`), raised: true,
		unless:  pattern.Of(`(?i)weights|load_model|checkpoint|/keras/`),
		message: "An HDF5 file of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload looks like this.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`because column names don't match|All the data files must have the same columns`),
		message: "The files of the dataset do not have the same columns.", hint: "Give all files of a split the same columns.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`EmptyDatasetError|DataFilesNotFoundError|DatasetGeneration(?:Cast)?Error|NonMatchingSplitsSizesError|Instruction "[^"\n]{0,80}" corresponds to no data`),
		unless:  pattern.Of(`because column names don't match|(?m:^(?:\w+\.)*(?:NameError|UnboundLocalError|ImportError|ModuleNotFoundError|PermissionError|ConnectionError|ConnectTimeout|ReadTimeout|SSLError|gaierror|URLError)\b)`), // what it came from says more
		message: "The dataset can't be loaded: {short}.", hint: "Check the dataset's folders and annotation files.",
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
		unless:  pattern.Of(ofDataset + `|` + ofOwnCheckpoint),
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
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?:'[^'\n]{0,80}' )?is not a valid YOLO (?:argument|task|mode)\b|Unknown model \(([^)]*)\)|Invalid pretrained tag[^\n]{0,120}[^\n.]|'\w+=[^'\n]{0,80}' is (?:of invalid type|an invalid value|not a valid \w+)\b[^\n]{0,160}`),
		message: "A setting of the job is not valid: ${0}.", hint: "Check the job's settings.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^FileNotFoundError: '([^'\n]{1,200}\.ya?ml)' does not exist`), stack: pattern.Of(`in (?:yaml_model_load|guess_model_task|_new)\b`),
		message: "The model ${1} is not known.", hint: "Check MODEL_NAME.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?s)^yaml\.\w+\.\w+Error: .{0,600}in "([^"\n]{1,200})", line (\d+)`), unless: pattern.Of(`check_(?:det_|cls_)?dataset`),
		message: "${1} is no valid YAML at line ${2}: {short}.", hint: "Correct the file.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`Could not override '[^'\n]{0,100}'|Some specified arguments are not used by the \w*ArgumentParser: [^\n]{0,200}|Unknown command line flag '[^'\n]{0,80}'|OverrideParseException|ConfigCompositionException|MissingConfigException|In '[^'\n]{1,100}': Could not find '|^Could not find '[\w-]+/[\w@-]+'(?:\n|$)`),
		message: "The training script refused its arguments: {short}.", hint: "Check the trainer's command and its overrides.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(libcuda\.so[.\d]*|libnvidia-\w+\.so[.\d]*): cannot open shared object file`), unless: pattern.Of(isNoLack),
		message: "The driver's library ${1} is not in the container.", kind: contract.FailureSystem,
		hint: "It belongs to the node's NVIDIA driver and is never installed in the image: the container runtime mounts it where the job has a GPU and the runtime is nvidia's.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(lib(?:cudart|cublas\w*|cudnn\w*|cufft\w*|curand|cusolver|cusparse\w*|nvrtc[\w-]*|nccl|nvJitLink|nvToolsExt)\.so[.\d]*): cannot open shared object file`), unless: pattern.Of(isNoLack),
		message: "The CUDA library ${1} is not in the image.", hint: "A package was built for another CUDA: install the version that was built for the image's, or use an image that has this library.", kind: contract.FailureUser,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`(\S*\.so[.\d]*): cannot open shared object file`), unless: pattern.Of(isNoLack),
		message: "The image lacks the system library ${1}.", hint: "Install it in the trainer's Dockerfile (libGL.so.1: use opencv-python-headless).", kind: contract.FailureUser,
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`CU(?:DNN|BLAS)_STATUS_(?:\w*VERSION_MISMATCH|\w*ARCH_MISMATCH|NOT_SUPPORTED\w*|BAD_PARAM\w*|INVALID_VALUE)`),
		message: "A GPU library refused a call (cuDNN or cuBLAS): ${0}.", hint: "Check that the framework, cuDNN and CUDA in the image belong together and know this GPU, and the types and shapes of the tensors.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`Unable to find a valid cuDNN algorithm|CUDNN_STATUS_\w+|CUBLAS_STATUS_\w+`),
		message: "A GPU library call failed (cuDNN or cuBLAS): ${0}.", hint: "Too little GPU memory is the usual reason: try reducing BATCH_SIZE{batch_size}.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`PytorchStreamWriter failed writing file \S+ file write failed|unexpected pos \d+ vs \d+`),
		message: "A checkpoint could not be written: ${0}.", hint: "A full disk or a quota is the usual reason.",
	}, {
		// Python names the package alone where it is not installed
		code: contract.CodeTrainingFailed, like: pattern.Of(`ModuleNotFoundError: No module named '([^'.]+)\.([^']+)'`),
		message: "The package ${1} is there, but it has no module ${1}.${2}.", hint: "Pin the version or build of ${1} that has it in the trainer's requirements.txt; where ${1} is the script's own, check that the image has all of it.",
	}, {
		// not on PyPI: whoever installs that name from there gets a stranger's code
		code: contract.CodeTrainingFailed, like: pattern.Of(`ModuleNotFoundError: No module named '(trainer_(?:sdk|vision))'`),
		message: "The SDK of trainer-agent (${1}) is not there for this Python.", hint: "Install trainer-agent's wheel beside the trainer's requirements, or keep the folder ${1}/ that trainer-agent init writes beside the script.",
	}, {
		code: contract.CodeTrainingFailed, like: pattern.Of(`ModuleNotFoundError: No module named '([^']+)'`),
		message: "The Python module ${1} is missing from the image.", hint: "Add it to the trainer's requirements.txt; at a desk run the Python that has those, such as .venv/bin/python.",
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

// lineCauses are what only a plain line tells, when no exception does.
var lineCauses = []cause{
	{ // rich's boxes, of typer, rich-click and tyro
		code: contract.CodeConfigInvalid, like: pattern.Of(`^[│|] ((?:No such (?:option|command)|Missing (?:option|argument|command)|Invalid value for|Got unexpected extra argument|Unrecognized options?|Required options?|Missing from)[^\n│]{0,300}[^\s│])`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	},
	{
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?:^|: )[Ee]rror: (unrecognized arguments: [^\n]{0,200}|the following arguments are required: [^\n]{0,200}|argument [^\n]{0,200}|No such option:? [^\n]{0,200}|Missing option [^\n]{0,200}|Missing argument [^\n]{0,200}|Invalid value for [^\n]{0,200}|Got unexpected extra argument[^\n]{0,200}|Parser key [^\n]{0,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^ERROR: ((?:The function received no value for the required argument|Could not consume arg|Cannot find key)[^\n]{0,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^(?:no viable alternative at input|mismatched input|token recognition error at|extraneous input) [^\n]{1,200}`),
		message: "An override of the script's configuration can't be read: ${0}.", hint: "Check the trainer's command and its overrides.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`FATAL Flags parsing error: ?([^\n]{1,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`python[\d.]*: can't open file '?([^':\n]+)'?`), unless: pattern.Of(`\[Errno (?:1|13)\]`),
		message: "Python was started with a script that is not there: ${1}.", hint: "Check the trainer's command, the scripts that it runs, and what its Dockerfile copies into the image.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^(?:Primary config (?:directory|module) [^\n]{0,160}?not found|Cannot find primary config [^\n]{1,160}?|Error parsing override '[^'\n]{1,160}')(?:\.|$)`),
		message: "Hydra could not put the script's configuration together: ${0}", hint: "Check the trainer's command and its overrides, and that the configuration is in the image.",
	}, { // bash with set -u
		code: contract.CodeConfigInvalid, like: pattern.Of(`: line \d+: ` + secretName + `: (?:unbound variable|parameter not set)`),
		message: "The script needs the variable ${1}, and has not been given it.", hint: withheldHint,
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`: line \d+: (\w{1,100}): (?:unbound variable|parameter not set)`),
		message: "The script needs the variable ${1}, which is not set.", hint: "Set it in the job's settings or in the image.",
	}, {
		code: contract.CodeTrainingFailed, like: processLimit, kind: contract.FailureSystem,
		message: "The container's process limit is reached: ${0}.", hint: processHint,
	},
}
