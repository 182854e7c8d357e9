package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// imageCauses are datasets, splits and images that are not there, are empty or can't be
// decoded, in the words of the libraries that read them.
var imageCauses = []cause{
	{
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
	},
}
