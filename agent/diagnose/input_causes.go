package diagnose

import "github.com/vision-platform/trainer-agent/contract"

// inputCauses are faults of what the job was given: dataset, weights, settings,
// script and image.
var inputCauses = []cause{
	{
		code: contract.CodeNaNLoss, like: re(`(?i)loss (?:is|became|=) ?(?:nan|inf|infinite|non-finite)|(?:nan|inf)[/ ]?(?:or )?(?:inf|nan)? (?:loss|detected in loss)|cost matrix is infeasible|matrix contains invalid numeric entries|Function '\w+' returned nan values|returned nan values in its|non-finite loss|loss is not finite`),
		message: "The loss became NaN or infinite.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`(?:images )?not found.{0,9}missing paths? ([^\n]{0,200})`),
		message: "The trainer found no images at ${1}.", hint: "Check the dataset's images, annotations and splits.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`Dataset '?[^'\n]{0,200}'? error[^\n]{0,200}|Error loading data from[^\n]{0,200}|No (?:valid )?(?:images|labels) found in[^\n]{0,200}|No labels in [^\n]{0,200}|Found 0 (?:files|images) in subfolders of[^\n]{0,200}|Found no images? in sub[^\n]{0,200}|(?i:all labels empty)[^\n]{0,200}`),
		message: "The dataset can't be read by the trainer: ${0}.", hint: "Check the dataset's images, annotations and splits.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`Label class (\d+) exceeds (?:nc=|dataset class count )(\d+)[^\n]*`),
		message: "The dataset has a label of class ${1}, but only ${2} classes.", hint: "Check the class list and the annotations' class ids.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`Found no valid file for the classes ([^\n]{0,200})|Couldn't find any class folder in ([^\n]{0,200})`),
		message: "The dataset has classes without images: ${0}", hint: "Give every class at least one image in every split.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`cannot identify image file ([^\n]{0,200})`),
		message: "An image of the dataset can't be read: ${1}.", hint: "Replace or remove the file.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`image file is truncated[^\n]{0,100}|broken data stream when reading image file|Truncated File Read`),
		message: "An image of the dataset is damaged: ${0}.", hint: "Replace or remove the file.",
	}, {
		code: contract.CodeDatasetInvalid, like: re(`EmptyDatasetError|DataFilesNotFoundError|DatasetGenerationError|NonMatchingSplitsSizesError|Instruction "[^"\n]{0,80}" corresponds to no data`),
		message: "The dataset can't be loaded: ${0}.", hint: "Check the dataset's folders and annotation files.",
	}, {
		code: contract.CodeWeightsUnavailable, like: re(`(?i)We couldn't connect to 'https://huggingface\.co'|LocalEntryNotFoundError|RepositoryNotFoundError|GatedRepoError|is not a local folder and is not a valid model identifier|Can't load the model for|OfflineModeIsEnabled|outgoing traffic has been disabled`),
		message: "The pretrained weights could not be loaded from the Hugging Face Hub.", hint: "Put the weights into the job (PRETRAINED_WEIGHT_URL) or check the model's name and its access.",
	}, {
		code: contract.CodeWeightsUnavailable, like: re(`No such file or directory: '?([^'\n]*\.(?:pt|pth|safetensors|bin|ckpt|tar))\b`),
		message: "The weights ${1} are not there.", hint: "Check MODEL_NAME and PRETRAINED_WEIGHT_URL.",
	}, {
		code: contract.CodeWeightsUnavailable, like: re(`(?i)invalid load key|failed finding central directory|HeaderTooLarge|Error while deserializing header|not a valid checkpoint|InvalidHeaderDeserialization|MetadataIncompleteBuffer`),
		message: "The weights file is damaged or no weights file at all.", hint: "Upload it again; a truncated download and a Git LFS pointer look like this.",
	}, {
		code: contract.CodeWeightsUnavailable, like: re(`(?i)Download failure for ([^\n]{0,200})|Error downloading (?:object )?([^\n]{0,200}\.(?:pt|pth))`),
		message: "The pretrained weights could not be downloaded: ${0}.", hint: "Put the weights into the job (PRETRAINED_WEIGHT_URL).",
	}, {
		code: contract.CodeStorageError, like: re(`(?i)botocore\.exceptions\.(?:EndpointConnectionError|ConnectTimeoutError|ReadTimeoutError|ConnectionClosedError)|Could not connect to the endpoint URL`),
		message: "The training script could not reach its object store.", hint: "Let the agent fetch data and weights, or check the endpoint.",
	}, {
		code: contract.CodeConfigInvalid, like: re(`'[^'\n]{0,80}' is not a valid (?:YOLO )?(?:argument|task|mode)|is not a valid (?:YOLO )?(?:argument|task|mode)|Unknown model \(([^)]*)\)|Invalid pretrained tag`),
		message: "A setting of the job is not valid: ${0}.", hint: "Check the job's settings.",
	}, {
		code: contract.CodeTrainingFailed, like: re(`(\S*\.so[.\d]*): cannot open shared object file`),
		message: "The image lacks the system library ${1}.", hint: "Install it in the trainer's Dockerfile (libGL.so.1: use opencv-python-headless).", kind: contract.FailureUser,
	}, {
		code: contract.CodeTrainingFailed, like: re(`Unable to find a valid cuDNN algorithm|CUDNN_STATUS_\w+|CUBLAS_STATUS_\w+`),
		message: "A GPU library call failed (cuDNN or cuBLAS): ${0}.", hint: "Too little GPU memory is the usual reason: try reducing batch_size{batch_size}.",
	}, {
		code: contract.CodeTrainingFailed, like: re(`PytorchStreamWriter failed writing file \S+ file write failed|unexpected pos \d+ vs \d+`),
		message: "A checkpoint could not be written: ${0}.", hint: "A full disk or a quota is the usual reason.",
	}, {
		code: contract.CodeTrainingFailed, like: re(`ModuleNotFoundError: No module named '([^']+)'`),
		message: "The Python module ${1} is missing from the image.", hint: "Add it to the trainer's requirements.txt.",
	}, {
		code: contract.CodeTrainingFailed, like: re(`(?s)Error\(s\) in loading state_dict for ([\w.]+)`),
		message: "The weights do not fit the model ${1}.", hint: "Use weights of the same model with the same number of classes, or let the head be replaced.",
	},
}

// lineCauses are what only a plain line tells, when no exception does.
var lineCauses = []cause{
	{
		code: contract.CodeConfigInvalid, like: re(`(?:^|: )error: (unrecognized arguments: [^\n]{0,200}|the following arguments are required: [^\n]{0,200}|argument [^\n]{0,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	},
}
