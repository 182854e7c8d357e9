package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// annotationCauses are files of annotations, tables and archives that can't be read.
var annotationCauses = []cause{
	{
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Parquet magic bytes not found|Parquet file size is \d+ bytes|Not an Arrow file`), raised: true,
		message: "A table of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload looks like this.",
	}, {
		code: contract.CodeDatasetInvalid, like: pattern.Of(`Segment dataset requires equal numbers of boxes and segments`),
		message: "The dataset has boxes where the task needs outlines: {short}.", hint: "Give the segmentation a dataset with polygons, or train for detection.",
	}, { // an archive that the script itself unpacks
		code: contract.CodeDatasetInvalid, like: pattern.Of(`^(?:zipfile\.)?BadZipFile: `),
		stack:   pattern.Of(`ZipFile\(|unpack_archive\(`),
		names:   pattern.Of(`(?:ZipFile|unpack_archive)\(['"]([^'"\n]{1,200})`),
		unless:  pattern.Of(`(?i)weights|checkpoint|ckpt|pretrained|model|\.pth?\b|\.npz|torch/(?:serialization|hub)|numpy/lib`),
		message: "An archive of the dataset is damaged, or none: {short}.", hint: "Find the file and replace it; a truncated upload or a server's error page looks like this.",
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
	},
}
