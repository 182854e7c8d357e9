package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

const checkDataset = "Check the dataset's images, annotations and splits."

// ofModel is where a damaged or missing file is no part of the dataset.
const ofModel = `(?i)weights|checkpoint|ckpt|pretrained|backbone|load_model|state_dict`

// What a sentence about a dataset speaks of, and what is wrong with it.
const (
	ofDatasetNoun = `(?:\b(?:images?|pictures?|labels?|annotations?|masks?|polygons?|bbox(?:es)?|bounding box(?:es)?|keypoints?|coordinates|videos?|datasets?|class folders?|categor(?:y|ies)|samples?|rows?|metadata|cases?|records?|files?|file list|sequence|JSON|classes)\b|\.(?:csv|json|jsonl|ya?ml|xml|txt)\b)`
	trouble       = `\b(?:no|not|never|without|missing|empty|incorrect|invalid|wrong|corrupt\w*|damaged|only|mismatch\w*|must match|unexpected|expected|does(?:n't| not)|do(?:n't| not)|can(?:not|'t)|could(?:n't| not)|fewer|at least|too few|length 0|has 0|errors?|failed|broken|unknown|duplicated?|out of (?:range|bounds)|outside|negative|non-\w+)\b`
)

// ownWords are the exceptions in which programs say things in their own words, and
// dataPath a file of a dataset in them.
const (
	ownWords = `^(?:\w+\.)*(?:Error|ValueError|RuntimeError|AssertionError|Exception|SystemExit|KeyError|FileNotFoundError|OSError|IOError|\w*(?i:data|annotation|label|image)\w*(?:Error|Exception)): `
	dataPath = `(?:(?i:[/\\ '"(](?:data|datasets?|train\w*|val\w*|tests?|images?\w*|imgs|labels?\w*|masks?|annotations?|JPEGImages|ImageSets|VOC\w*|coco\w*|splits?))[/\\][^\s'"]*(?:` + dataNames + `|\.txt)\b)`
)

// byItself is where libraries check how they are called, in files that are named like
// those that read datasets.
const byItself = `(?m:site-packages/(?:datasets/(?:arrow_dataset|arrow_writer|combine|dataset_dict|fingerprint|iterable_dataset|naming|table|search|splits)|scipy|numpy|pandas|timm/data/(?:dataset_info|imagenet_info|naflex_\w+|dataset_factory)|ultralytics/utils|torch/utils/data)[\w/]*(?:\.py)?", line \d+, in [^\n]*\n(?:    [^\n]*\n){0,3}[A-Za-z])`

// datasetCauses are sentences about a dataset that no library's name goes with: that
// nothing is in it, that its parts do not belong together, that a file of it can't be
// read. An exception must say them: a line may be of something that was passed over.
var datasetCauses = []cause{
	{
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`(?i)\b(?:images?|image list|samples?|files?)\b[^\n]{0,60}\b(?:labels?|label list|masks?|annotations?|targets)\b[^\n]{0,40}(?:do(?:es)? not match|don't match|doesn't match|mismatch|\bdiffer\b|not equal|must be equal|must match)|mismatch[^\n]{0,30}\bimages?\b[^\n]{0,40}\b(?:labels?|masks?|annotations?)\b|different numbers? of (?:images?|samples?) and (?:labels?|masks?|annotations?)`),
		unless:  pattern.Of(`(?i)batch|shape|tensor|logit|predict|detection|dimension|channel|\bsizes?\b|dtype`),
		message: "Images and labels of the dataset do not belong together: {short}.", hint: "Give every image its label, and every label its image.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`(?i)\bis present\b[^\n]{1,200}\bbut\b[^\n]{1,200}\bnot found\b|\bno (?:matching|corresponding|shared) (?:labels?|masks?|annotations?|images?)\b|\b(?:labels?|masks?|annotations?)(?: files?)? (?:for|of) (?:image )?['"]?[^\s'"]+['"]? (?:(?:was|is|were|are) )?(?:not found|missing|could not be found)`),
		message: "Images and labels of the dataset do not belong together: {short}.", hint: "Give every image its label, and every label its image.",
	}, { // Keras' words for folders of classes
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`there must be exactly 2 class_names|The .class_names. passed did not match the names of the subdirectories|Expected the lengths of .labels. to match the number of files in the target directory`),
		message: "The dataset's folders are not those of its classes: {short}.", hint: "Images for classification lie in one folder for each class, below each split's.",
	}, { // scikit-learn's words, whatever is split
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`With n_samples=\d+, test_size=|The least populated class in |n_splits=\d+ cannot be greater than the number of|(?:test|train)_size ?= ?\d+ should be greater or equal to the number of classes`),
		message: "The dataset can't be split: {short}.", hint: "A class, or the whole dataset, has too few images for that split: check what was found, and the shares of the split.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`Label contains NaN|Input y contains (?:NaN|infinity)`),
		message: "A label of the dataset is empty or no number: {short}.", hint: "Check the dataset's table of labels.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`Expected to load a .Dataset(?:Dict)?. object|^FileNotFoundError: Directory \S{1,200} not found$|is neither a .Dataset. directory nor a .DatasetDict. directory|Unknown split "[^"\n]{1,80}"\. Should be one of|could not find data in \S{1,200}\. Please make sure to call|Could not find a dataset with the ID|some image files are missing for case|Did not find the expected number of training cases|Some images have errors\. Please check text output|Asked to retrieve element \d+, but the Sequence has length 0`),
		message: "The dataset can't be loaded: {short}.", hint: checkDataset,
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`Failed to use mask_format=='\w+' from the given annotations|Cannot convert segmentation of type|Invalid polygon of length|Invalid COCO (?:detection|panoptic) annotations|(?i:polygons? (?:must|should) have at least (?:3|three) points)`),
		message: "An annotation of the dataset is not valid: {short}.", hint: "Check the polygons and masks of the annotations.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`(?i)cannot find valid (?:image|sample|data)s? after \d+|\bfound 0 (?:[\w-]+ ){0,2}(?:images?|samples?|annotations?|labels?|masks?)\b|\bno (?:data|training data) found\b|no (?:image|training|train) (?:files?|images?) (?:was |were )?found|did not find any (?:input |image )?files|no (?:input )?files (?:were )?(?:found|match\w*)\b|^(?:\w+: )?no (?:images?|labels?|annotations?|samples?) (?:in|at|under|below) \S`),
		unless:  pattern.Of(ofModel + `|optimizer|predict|\blogs?\b|metric|\bbucket\b|\brepo\b`),
		message: "The trainer found nothing to train on: {short}.", hint: checkDataset,
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`cannot reshape array of size \d+ into shape|Failed to read all data for array|the magic string is not correct|EOF: reading (?:magic string|array header|array data)`),
		stack:   pattern.Of(`numpy/lib/_?format\w*\.py|numpy/lib/_?npyio\w*\.py`),
		unless:  pattern.Of(ofModel),
		message: "A NumPy file of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload looks like this.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`^(?:zipfile\.)?BadZipFile: `),
		stack:   pattern.Of(`\bload\(\s*['"][^'"\n]*(?:data|train|val|test)[^'"\n]*\.npz['"]`),
		unless:  pattern.Of(ofModel),
		message: "A NumPy archive of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload looks like this.",
	}, { // MONAI's readers of medical images are packages of their own
		code: contract.CodeTrainingFailed, raised: true,
		like:    pattern.Of(`cannot find a suitable reader for file: (\S{1,300}\.(?:nii\.gz|nii|mha|mhd|nrrd|dcm))\b`),
		unless:  pattern.Of(`(?i)nibabelreader|itkreader|pydicomreader|nrrdreader`),
		message: "No installed package reads ${1}.", hint: "Add nibabel (NIfTI), itk, pydicom or pynrrd to the trainer's requirements.txt.",
	}, { // tifffile, rasterio, SimpleITK, nibabel, imageio, PyAV, libsndfile, TensorFlow
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`TiffFileError|not a TIFF file|not recognized as being in a supported file format|RasterioIOError|cannot find a suitable reader for file|Exception thrown in SimpleITK \w*Reader\w*|Unable to determine ImageIO reader|Cannot work out file type|Could not find a (?:format|backend) to (?:read|open)|Invalid data found when processing input|moov atom not found|Error opening '[^'\n]{1,200}': (?:File contains data|Format not recognised|System error)|InvalidArgumentError: [^\n]{0,200}(?:Input is empty|got empty file)`),
		unless:  pattern.Of(ofModel + `|iomode .w|in (?:write|save|encode|export)\w*\b|imwrite|mimsave`), // what it makes itself
		message: "A file of the dataset can't be read: {short}.", hint: "Find the file (not there, truncated, or of another kind behind its name's ending) and replace or remove it.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`^NotADirectoryError: [^\n]{0,40}: '([^'\n]{1,200})'`),
		stack:   pattern.Of(`(?:listdir|scandir|iterdir|os\.walk)\([^\n]*\n(?:[ ~^]+\n)?[^\n]*'[^'\n]*` + dataFolder),
		unless:  pattern.Of(ofOutput),
		message: "The dataset has ${1} where the trainer expects a folder.", hint: "Take the file away: system files such as .DS_Store get in with an upload.",
	}, { // a program's own sentence about a dataset, said where it reads one
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`(?i)^(?:\w+\.)*(?:ValueError|RuntimeError|AssertionError|Exception|SyntaxError|KeyError|FileNotFoundError|OSError|IndexError|ArrowInvalid|\w*(?:data|annotation|label|image)\w*(?:error|exception)): (?:[^\n]*` + ofDatasetNoun + `[^\n]*` + trouble + `|[^\n]*` + trouble + `[^\n]*` + ofDatasetNoun + `)`),
		stack:   pattern.Of(`(?m)^\s*File "(?:[^"\n]*(?i:\w[/\\](?:datasets?|data|dataloaders?|data_loaders?|packaged_modules[/\\]\w+)[/\\]\w+\.py|[/\\]\w*(?:dataset|data_?load)\w*\.py|[/\\](?:coco|voc)\w*\.py)", line \d+, in [^\n]*|[^"\n]*", line \d+, in (?:verify_dataset\w*|check_\w*dataset\w*|load_(?:annotations|labels|images|dataset|data)\w*|__getitem__))\n(?:    [^\n]*\n){0,3}[A-Za-z]`),
		unless:  pattern.Of(`(?i)shape|dimension|tensor|dtype|\bchannels?\b|batch|argument|keyword|must be one of|should be one of|support|implement|install|permission|time[d ]?out|connection|network|http|memory|(?:fail|could|can|unable)\w*[^\n]{0,20}download|\bhub\b|parameter|NoneType|attribute|\bworkers?\b|iterable|stack expects|checkpoint|weights|\[Errno|regist(?:er|ry)|predict|tokenizer|collat|interpolation|\btransforms?\b|\bmode\b|num_classes|is not a file in the archive|while generating the dataset|command line|` + byItself),
		message: "The trainer can't use the dataset: {short}.", hint: "That is what the trainer said where it reads the dataset. Check the dataset's images, annotations and splits.",
	}, { // a file of the dataset by its name, in a program's own sentence, wherever it is said
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(ownWords + `(?:[^\n]*` + dataPath + `[^\n]*(?i:` + trouble + `)|[^\n]*(?i:` + trouble + `)[^\n]*` + dataPath + `)`),
		unless:  pattern.Of(ofOutput + `|(?i)permission|\[Errno|upload|download|exists? already|already exists|checkpoint|weights`),
		message: "The trainer can't use a file of the dataset: {short}.", hint: "That is what the trainer said of it. Correct the file, or take it out of the dataset.",
	}, {
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(ownWords + `[^\n]{0,60}(?i:\b(?:train(?:ing)?|val(?:idation)?|test)[ _-](?:data ?set|set|split|data)\b[^\n]{0,40}\b(?:is empty|has no|contains? (?:no|0)\b)|\b(?:data ?set|split|class|folder|directory)\b[^\n]{0,60}\b(?:has|have|contains?) (?:no|0) (?:\w+ )?(?:images?|samples?|annotations?|labels?|files?|rows?|examples?)\b|\bno class(?:es| folders?) (?:(?:were|was) )?(?:found )?in\b|\b(?:data ?set|training data|image|annotations?) (?:root|dir(?:ectory)?|folder|path)[ :]+\S+ (?:does(?: not|n't) exist|(?:was |is |could )?not (?:be )?found|is missing|is not a directory)|\b(?:bbox|box|bounding box|polygon|annotation)\b[^\n]{0,60}\b(?:(?:zero|negative|no) (?:width|height|area|size)|empty segmentation))`),
		unless:  pattern.Of(`(?i)predict|proposal|anchor|\bhub\b|\[Errno`),
		message: "The trainer can't use the dataset: {short}.", hint: "That is what the trainer said of it. " + checkDataset,
	}, { // an archive or a database that the script itself opens
		code: contract.CodeDatasetInvalid, raised: true,
		like:    pattern.Of(`^tarfile\.ReadError: \(?['"]?(?:not a|unexpected end|file could not be opened|empty file|invalid)|^zlib\.error: |^gzip\.BadGzipFile|^EOFError: Compressed file ended before|^sqlite3\.DatabaseError: (?:file is not a database|database disk image is malformed)`),
		stack:   pattern.Of(inPath + `|` + reading),
		unless:  pattern.Of(ofModel + `|optuna|mlflow`),
		message: "A file of the dataset is damaged, or of another kind: {short}.", hint: "Find the file and replace it; a truncated upload or a server's error page looks like this.",
	},
}
