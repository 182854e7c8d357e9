package platform

import "github.com/vision-platform/trainer-agent/converters/dataset/problem"

// The problems of an annotations file.
var (
	DuplicateImage = problem.Kind{Code: "duplicate_image_id", Severity: problem.Error,
		Message: "image ids occur twice", Hint: "Give every image an id of its own."}
	DuplicateFile = problem.Kind{Code: "duplicate_file_name", Severity: problem.Error,
		Message: "file names are listed twice", Hint: "List every image file once and merge its annotations."}
	NoFileName = problem.Kind{Code: "no_file_name", Severity: problem.Error,
		Message: "images have no file_name", Hint: "Add file_name, relative to images/."}
	UnknownImage = problem.Kind{Code: "unknown_image_id", Severity: problem.Error,
		Message: "annotations name an image that is not listed", Hint: "Correct image_id or add the image."}
	UnknownClass = problem.Kind{Code: "unknown_class", Severity: problem.Error,
		Message: "annotations name a class that is not listed", Hint: "Add the class to classes, or correct class_id."}
	NoClass = problem.Kind{Code: "no_class", Severity: problem.Error,
		Message: "annotations have neither class_id nor class_name", Hint: "Give every annotation a class_id."}
	ClassNameDiffers = problem.Kind{Code: "class_name_differs", Severity: problem.Warning,
		Message: "annotations have a class_name that is not the one of their class_id; class_id counts"}
	DuplicateClass = problem.Kind{Code: "duplicate_class_id", Severity: problem.Error,
		Message: "class ids occur twice", Hint: "Give every class an id of its own."}
	DuplicateName = problem.Kind{Code: "duplicate_class_name", Severity: problem.Error,
		Message: "class names occur twice", Hint: "Rename or merge the classes."}
	EmptyName = problem.Kind{Code: "empty_class_name", Severity: problem.Warning,
		Message: "classes have no name; they are called after their id"}
	NoClasses = problem.Kind{Code: "no_classes", Severity: problem.Error,
		Message: "files list no classes", Hint: `Add "classes": [{"id": 0, "name": "..."}].`}
	NoImages = problem.Kind{Code: "no_images", Severity: problem.Error,
		Message: "files list no images", Hint: `Add "images": [{"id": 1, "file_name": "..."}].`}
	BadNumber = problem.Kind{Code: "bad_number", Severity: problem.Error,
		Message: "annotations have a coordinate that is not a finite number", Hint: "Correct or remove these annotations."}
	BadShape = problem.Kind{Code: "bad_shape", Severity: problem.Error,
		Message: "annotations have a field of the wrong shape", Hint: "bbox has four numbers; a polygon has x, y pairs; keypoints have 2 or 3 numbers a point."}
	BadFormat = problem.Kind{Code: "bad_bbox_format", Severity: problem.Error,
		Message: "annotations have an unknown bbox_format", Hint: "Use xywh, xyxy or cxcywh, with _normalized for fractions."}
	BadSplit = problem.Kind{Code: "bad_split", Severity: problem.Error,
		Message: "images have an unknown split", Hint: "Use train, val, test or null."}
	BadSplitConfig = problem.Kind{Code: "bad_split_config", Severity: problem.Error,
		Message: "split_config cannot be used", Hint: "Correct split_config, or override it with SPLIT_STRATEGY."}
	DuplicateKey = problem.Kind{Code: "duplicate_key", Severity: problem.Error,
		Message: "objects have the same key twice", Hint: "Which value counts cannot be known; keep one."}
	NullEntry = problem.Kind{Code: "null_entry", Severity: problem.Warning,
		Message: "annotations are null or empty and say nothing"}
)
