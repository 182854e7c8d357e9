package problem

import "slices"

// catalogue is every kind, in the order of this file.
var catalogue []Kind

// Catalogue is every kind of problem, grouped by area. docs/datasets.md lists it.
func Catalogue() []Kind { return slices.Clone(catalogue) }

// area is a part of a conversion.
type area string

func (a area) kind(code string, severity Severity, message, hint string) Kind {
	k := Kind{Area: string(a), Code: code, Severity: severity, Message: message, Hint: hint}
	catalogue = append(catalogue, k)
	return k
}

const (
	layouts     area = "Layouts: where images and labels are"
	annotations area = "Annotations"
	files       area = "Image files"
	objects     area = "Objects"
	classes     area = "Classes of whole images"
	splits      area = "Splits"
	writing     area = "Written datasets"
)

// Layouts: where images and labels are.
var (
	ImageInTwoSplits = layouts.kind("image_in_two_splits", Error,
		"images are in two splits",
		"What is trained on cannot be validated on; give each split images of its own.")
	NoValidationSplit = layouts.kind("no_validation_split", Info,
		"images are shared out between train and val, because the dataset has only one of these",
		"")
	NoLabelFiles = layouts.kind("no_label_files", Error,
		"images have no label file where the reader looks for it",
		"For images/.../x.jpg the label is labels/.../x.txt: the last /images/ of the path becomes /labels/.")
	NoLabelFile = layouts.kind("no_label_file", Warning,
		"images have no label file and count as backgrounds",
		"")
	BadLabelRow = layouts.kind("bad_label_row", Error,
		"label rows are such that Ultralytics drops the whole image",
		"Correct or remove these rows.")
	ListedImageMissing = layouts.kind("listed_image_missing", Warning,
		"lines of image lists name a file that is not in the dataset",
		"")
	NoImagesThere = layouts.kind("no_images_there", Error,
		"entries of data.yaml lead to no image, while others do",
		"Correct the entry: it is a folder or a list relative to path, or remove it.")
	NoTestImages = layouts.kind("no_test_images", Warning,
		"entries of data.yaml for testing lead to no image; there is no test split",
		"")
	YAMLNotUsed = layouts.kind("yaml_not_used", Warning,
		"YAML files have names of classes and are not used beside data.yaml",
		"")
	LabelBesideImage = layouts.kind("label_beside_image", Warning,
		"label files lie beside their image, where Ultralytics does not look; they are read",
		"Move them to labels/, in the place that images/ has in the image's path.")
	LabelElsewhere = layouts.kind("label_elsewhere", Warning,
		"label files lie in a folder where Ultralytics does not look; they are read",
		"Call the folders images and labels, in small letters.")
	LabelOfSeveral = layouts.kind("label_of_several", Warning,
		"label files are for more than one image, of one name and another suffix; each of them gets the labels",
		"Rename the images, or remove what is a copy.")
	LabelWithoutImage = layouts.kind("label_without_image", Warning,
		"label files have no image and are not used",
		"")
	KeypointsWithoutShape = layouts.kind("keypoints_without_shape", Error,
		"label rows look like a box with keypoints, and data.yaml has no kpt_shape",
		"Write kpt_shape: [points, 2 or 3] into data.yaml; without it they are read as polygons.")
	BadClassNumber = layouts.kind("bad_class_number", Error,
		"keys of names in data.yaml are not class numbers",
		"Number the classes from 0.")
	ClassBeyondNames = layouts.kind("class_beyond_names", Error,
		"labels have class numbers beyond the list of names",
		"Correct the number in the label, or add the names that are missing to the list.")
	ClassWithoutName = layouts.kind("class_without_name", Info,
		"classes have no name and are called after their number",
		"")
	OneFolderDown = layouts.kind("one_folder_down", Info,
		"datasets are not at the top but in a folder, where they are read",
		"")
	SplitWithoutClasses = layouts.kind("split_without_classes", Warning,
		"images for testing have no folders of classes and are left out",
		"")
	AnnotationsKeptOut = layouts.kind("annotation_file_kept_out", Warning,
		"annotation files name no split beside others that do; they are not read",
		"Remove them, or put the split into their name: train, val or test.")
	AnnotationsUnread = layouts.kind("annotation_file_unread", Error,
		"files look like annotations and cannot be read together with the others",
		"Name the files of all splits alike, for example instances_train.json and instances_val.json; move others out of the dataset.")
	AnnotationsCopied = layouts.kind("annotation_file_copied", Warning,
		"annotation files are copies of another, byte for byte, and are not read",
		"Remove them.")
	ResultsKeptOut = layouts.kind("results_kept_out", Info,
		"files have what a model found (boxes with scores) and no annotations; they are not read",
		"")
	AnnotationUnreadable = layouts.kind("annotation_unreadable", Error,
		"annotation files, or objects in them, cannot be read",
		"Write them again with the labelling tool, or remove them together with their images.")
	ImageUnclear = layouts.kind("image_unclear", Error,
		"annotations fit more than one image as well",
		"Put them beside their image, or into a folder that is called as its folder.")
	AnnotatedTwice = layouts.kind("annotated_twice", Error,
		"annotation files are for an image that another one is for",
		"Keep one of them.")
	ImageInNoList = layouts.kind("image_in_no_list", Warning,
		"images have annotations or a class and are in none of the dataset's lists; they are left out",
		"")
	TableUnused = layouts.kind("table_unused", Warning,
		"tables say classes of images and no split, beside tables that do; they are not read",
		"Remove them, or add a column split.")
	TablesMissing = layouts.kind("table_missing", Warning,
		"series of tables are not here as a whole, by the number in their names",
		"Upload all of its tables, unless a part of the dataset is meant.")
	LabelsUnused = layouts.kind("labels_unused", Warning,
		"folders hold labels of the same images, beside those that are read; they are not used",
		"Call the folder to use labels/, and remove the other.")
	FoldersInClasses = layouts.kind("folders_in_classes", Info,
		"folders in those of classes are parts of these: the class is the first folder",
		"")
	FolderWithoutImages = layouts.kind("folder_without_images", Warning,
		"folders beside those of classes hold videos, archives or the like and no image; they are no classes",
		"Put images of the class into them, or remove them.")
	ColumnChosen = layouts.kind("column_chosen", Warning,
		"columns of the tables would serve the task as well, and are not used",
		"Leave out the columns that are not meant, or call the one to use image, label, objects or annotation.")
	TablesBeside = layouts.kind("tables_beside", Warning,
		"tables hold images too, beside the annotations that are read; they are not used",
		"Remove them, if they are a copy of the dataset, or upload them by themselves.")
	ClassNamesUnread = layouts.kind("class_names_unread", Warning,
		"files say names for the classes and are not read",
		"Write these names where the classes are said: as the names of the folders, or into the table.")
	SplitOfLists = layouts.kind("split_of_lists", Info,
		"files say the split of the images and are followed",
		"")
	SplitListUnused = layouts.kind("split_list_unused", Warning,
		"lists say another split than the folders or the annotations, which count",
		"Remove the lists, or correct them.")
	SplitListUnread = layouts.kind("split_list_unread", Warning,
		"files may say the split of the images and are not understood",
		"Write train.txt, val.txt and test.txt with the path of one image a line, or put the images into train/, val/ and test/.")
	SplitsJoined = layouts.kind("splits_joined", Warning,
		"folders are of the same split and are read together",
		"Call one of them test, or remove it, if that is not meant.")
	ClassNotListed = layouts.kind("class_not_listed", Warning,
		"classes of annotations are not in the dataset's list of classes; they are numbered behind it",
		"")
	RotatedBoxes = layouts.kind("rotated_boxes", Info,
		"boxes are rotated; the upright boxes around them are used",
		"")
	DifficultObjects = layouts.kind("difficult_objects", Info,
		"objects are marked as difficult and used like the others",
		"")
	ShapeLeftOut = layouts.kind("shape_left_out", Warning,
		"shapes enclose nothing that could be an object, and are left out",
		"")
	CircleRead = layouts.kind("circle_as_polygon", Info,
		"circles are read as polygons",
		"")
	TextNotUTF8 = layouts.kind("text_in_code_page", Warning,
		"text files are not UTF-8 and were read in the code page in which they look most like words",
		"Save them as UTF-8, and see whether the names are right.")
	NamesNotUTF8 = layouts.kind("names_in_code_page", Warning,
		"names in the archive are not UTF-8 and were read in the code page in which they look most like words",
		"Zip with UTF-8 names, and see whether these are right.")
	CategoriesDiffer = layouts.kind("categories_differ", Error,
		"categories differ between the splits' files",
		"Write the same categories to every file.")
)

// Annotations.
var (
	DuplicateImageID = annotations.kind("duplicate_image_id", Error,
		"image ids occur twice",
		"Give every image an id of its own.")
	DuplicateFileName = annotations.kind("duplicate_file_name", Error,
		"file names are listed twice",
		"List every image file once and merge its annotations.")
	NoFileName = annotations.kind("no_file_name", Error,
		"images have no file_name",
		"Add file_name, relative to images/.")
	UnknownImageID = annotations.kind("unknown_image_id", Error,
		"annotations name an image that is not listed",
		"Correct image_id or add the image.")
	UnknownClass = annotations.kind("unknown_class", Error,
		"annotations name a class that is not listed",
		"Add the class to classes, or correct class_id.")
	NoClass = annotations.kind("no_class", Error,
		"annotations have neither class_id nor class_name",
		"Give every annotation a class_id.")
	ClassNameDiffers = annotations.kind("class_name_differs", Warning,
		"annotations have a class_name that is not the one of their class_id; class_id counts",
		"")
	RootCategory = annotations.kind("root_category", Info,
		"categories are only the supercategory of the others, without an annotation; they are no class",
		"")
	DuplicateClassID = annotations.kind("duplicate_class_id", Error,
		"class ids occur twice",
		"Give every class an id of its own.")
	SimilarClassNames = annotations.kind("similar_class_names", Warning,
		"classes have names that differ in case, spaces, hyphens or underscores only; each is a class of its own",
		"Merge them where they are one class.")
	DuplicateClassName = annotations.kind("duplicate_class_name", Error,
		"class names occur twice",
		"Rename or merge the classes.")
	EmptyClassName = annotations.kind("empty_class_name", Warning,
		"classes have no name; they are called after their id",
		"")
	NoClasses = annotations.kind("no_classes", Error,
		"files list no classes",
		`Add "classes": [{"id": 0, "name": "..."}].`)
	NoImages = annotations.kind("no_images", Error,
		"files list no images",
		`Add "images": [{"id": 1, "file_name": "..."}].`)
	LineAnnotation = annotations.kind("line_annotation", Error,
		"annotations are polylines or circles, which no task here is trained on; the box around one is no object",
		"Label boxes or polygons, or remove these annotations.")
	TextAnnotation = annotations.kind("text_annotation", Error,
		"annotations are texts, such as captions or questions, which no task here is trained on",
		"Choose the dataset's annotations for this task, or remove these.")
	TextLabel = annotations.kind("text_label", Warning,
		"texts on images are not used: no task here is trained on them",
		"")
	MaskFile = annotations.kind("mask_file", Error,
		"annotations point to a mask in a file, which is not read",
		"Write the mask into segmentation, as polygons or as COCO's RLE.")
	RotatedBox = annotations.kind("rotated_box", Info,
		"rotated boxes are read as the upright box around them",
		"")
	BadNumber = annotations.kind("bad_number", Error,
		"annotations have a coordinate that is not a finite number",
		"Correct or remove these annotations.")
	BadShape = annotations.kind("bad_shape", Error,
		"annotations have a field of the wrong shape",
		"bbox has four numbers; a polygon has x, y pairs; keypoints have 2 or 3 numbers a point.")
	BadBboxFormat = annotations.kind("bad_bbox_format", Error,
		"annotations have an unknown bbox_format",
		"Use xywh, xyxy or cxcywh, with _normalized for fractions.")
	BadSplit = annotations.kind("bad_split", Error,
		"images have an unknown split",
		"Use train, val, test or null.")
	BadSplitConfig = annotations.kind("bad_split_config", Error,
		"split_config cannot be used",
		"Correct split_config, or override it with SPLIT_STRATEGY.")
	DuplicateKey = annotations.kind("duplicate_key", Error,
		"objects have the same key twice",
		"Which value counts cannot be known; keep one.")
	NullEntry = annotations.kind("null_entry", Warning,
		"annotations are null or empty and say nothing",
		"")
)

// Image files.
var (
	UnsafePath = files.kind("unsafe_path", Error,
		"file names lead out of the dataset",
		"file_name is relative to images/, without '..' and without a drive or a leading slash.")
	MissingFile = files.kind("missing_file", Warning,
		"images are not on disk and are left out",
		"")
	AllFilesMissing = files.kind("all_files_missing", Error,
		"images are listed and none of them is on disk",
		"Put the files below images/, named as file_name says.")
	LinkOutOfDataset = files.kind("link_out_of_dataset", Warning,
		"symbolic links lead out of the dataset and are not followed",
		"")
	LinkToNothing = files.kind("link_to_nothing", Warning,
		"symbolic links of images lead to nothing and are left out",
		"Bring what they stand for (git annex get, dvc pull), or remove them.")
	UnlistedFile = files.kind("unlisted_file", Info,
		"image files on disk are not in the annotations and are not used",
		"")
	MostlyUnlisted = files.kind("mostly_unlisted", Warning,
		"image files on disk are not in the annotations and are not used: more than those that are",
		"Check that the annotations are those of the whole dataset.")
	FileManagerJunk = files.kind("file_manager_junk", Info,
		"files and folders that file managers left are not looked at",
		"")
	OtherSpelling = files.kind("other_spelling", Info,
		"file names are spelled otherwise on disk than in the annotations (case, separators, what stands in front)",
		"")
	UnicodeForm = files.kind("unicode_form", Info,
		"file names are spelled in another Unicode form on disk than in the annotations",
		"")
	SameFile = files.kind("same_file", Error,
		"images are the same file as another image",
		"List every image file once and merge its annotations.")
	BrokenImage = files.kind("broken_image", Warning,
		"image files are broken and are left out",
		"")
	LFSPointer = files.kind("lfs_pointer", Error,
		"files are pointers of Git LFS, not the images that they stand for",
		"Run git lfs pull in the repository, and upload the dataset again.")
	NotAnImage = files.kind("not_an_image", Warning,
		"files are not an image that a trainer can read and are left out",
		"")
	JPEGWithoutEnd = files.kind("jpeg_without_end", Info,
		"JPEG files do not end with their end marker; they are copied, because Ultralytics rewrites such files",
		"")
	SizeDiffers = files.kind("size_differs", Warning,
		"images have another size than the annotations say; the file counts",
		"")
	EXIFRotated = files.kind("exif_rotated", Info,
		"images are displayed rotated (EXIF); their labels are taken to be in the displayed frame",
		"")
)

// Objects.
var (
	NoBbox = objects.kind("no_bbox", Error,
		"annotations have no bbox, and nothing to derive one from",
		"Add bbox [x, y, width, height] in pixels.")
	ClassOfWholeImage = objects.kind("class_of_whole_image", Warning,
		"images have a class of their own, which says nothing about the objects in them; it is not used",
		"")
	BboxLooksNormalized = objects.kind("bbox_looks_normalized", Error,
		"boxes are smaller than a pixel and look like fractions of the image",
		`Write bbox in pixels, or declare "bbox_format": "xywh_normalized".`)
	BboxLooksCorners = objects.kind("bbox_looks_corners", Error,
		"boxes stick out of their image as they are read, and every box of the dataset fits as x1, y1, x2, y2",
		`Write bbox as [x, y, width, height] from the top left, or declare "bbox_format": "xyxy"; rows of YOLO are centre, width and height.`)
	FitsOtherSize = objects.kind("fits_other_size", Warning,
		"objects reach beyond their image and would fit the size that the annotations say; they are clipped to the file's",
		"Was the image made smaller, or turned, after it was annotated? Bring the original, or annotations for this one.")
	BoxElsewhere = objects.kind("box_elsewhere", Warning,
		"annotations have a bbox and a segmentation that do not touch; this task uses the segmentation",
		"")
	ShapeLooksNormalized = objects.kind("shape_looks_normalized", Error,
		"annotations have polygons or keypoints that lie within the first pixel and look like fractions of the image",
		`Write segmentation and keypoints in pixels, or declare "bbox_format": "xywh_normalized", which they follow.`)
	CoordinateTooLarge = objects.kind("coordinate_too_large", Error,
		"annotations have a coordinate that no image reaches",
		"Correct or remove these annotations.")
	DegenerateBbox = objects.kind("degenerate_bbox", Warning,
		"boxes have no area and are left out",
		"")
	ObjectOutside = objects.kind("object_outside", Warning,
		"objects are outside of their image and are left out",
		"")
	ObjectClipped = objects.kind("object_clipped", Info,
		"objects stick out of their image and are clipped to it",
		"")
	BadPolygon = objects.kind("bad_polygon", Warning,
		"polygons have an odd number of coordinates, fewer than three points or no area, and are left out",
		"")
	NoPolygonLeft = objects.kind("no_polygon_left", Warning,
		"objects have no usable polygon and are left out",
		"")
	NoPolygons = objects.kind("no_polygons", Error,
		"annotations have no polygon or mask, and the task needs them",
		"Add segmentation to the annotations, or train object_detection on the boxes, with an upright detector (MODEL_NAME=yolo11n in place of yolo11n-obb).")
	BoxAsPolygon = objects.kind("box_as_polygon", Warning,
		"annotations have a box and no polygon among others that have one; their outline is the box",
		"")
	MaskSize = objects.kind("mask_size", Error,
		"masks have another size than their image",
		"Write the masks at the size of the image as it is displayed.")
	MaskHolesFilled = objects.kind("mask_holes_filled", Info,
		"holes of masks are filled, because a polygon cannot have them",
		"")
	CrowdSkipped = objects.kind("crowd_skipped", Info,
		"crowd annotations are left out, because the format cannot say that they are crowds",
		"")
	NoKeypoints = objects.kind("no_keypoints", Error,
		"annotations have no keypoints, and the task needs them",
		"Add keypoints [x, y, v, ...] to the annotations, or train object_detection on the boxes.")
	NoVisibleKeypoints = objects.kind("no_visible_keypoints", Error,
		"annotations have keypoints, and none of the dataset is labelled: each has visibility 0",
		"Write v 1 (hidden) or 2 (visible) for each point that is labelled: [x, y, v, ...].")
	BoxWithoutKeypoints = objects.kind("box_without_keypoints", Warning,
		"annotations have a box and no keypoints among others that have them; all their keypoints count as not labelled",
		"")
	KeypointCount = objects.kind("keypoint_count", Error,
		"annotations have another number of keypoints than the others, or numbers that make no whole points",
		"All objects of a pose dataset have the same skeleton; write 0, 0, 0 for a point that is not labelled.")
	KeypointOutside = objects.kind("keypoint_outside", Warning,
		"keypoints are outside of their image and count as not labelled",
		"")
	KeypointVisibility = objects.kind("keypoint_visibility", Error,
		"keypoints have a visibility other than 0, 1 and 2",
		"v is 0 (not labelled), 1 (hidden) or 2 (visible).")
)

// Classes of whole images.
var (
	NoClassLabel = classes.kind("no_class_label", Warning,
		"images have no class and are left out",
		"")
	NoClassLabels = classes.kind("no_class_labels", Error,
		"images have no class, and the task needs one for each",
		`Give every image an "annotation": {"class_id": ...}.`)
	ObjectsWithoutClassLabel = classes.kind("objects_without_class_label", Error,
		"images have annotated objects and no class of their own",
		"Train object_detection on them, or label whole images.")
	BackgroundImage = classes.kind("background_image", Warning,
		"images show none of the classes, which a classification dataset cannot say; they are left out",
		"")
	SeveralLabels = classes.kind("several_labels", Error,
		"images have more than one class",
		"A classification dataset has one class for each image.")
	ClassWithoutImages = classes.kind("class_without_images", Warning,
		"classes have no image and are not in the prepared dataset",
		"")
	ClassMissingInSplit = classes.kind("class_missing_in_split", Error,
		"classes have no image in train or in val, so readers would number the classes differently there",
		"Every class needs one image for each: correct the split, or leave a class with a single image out with exclude_images.")
	ClassMissingInTest = classes.kind("class_missing_in_test", Warning,
		"classes have no image in test; a reader that numbers the folders of test by themselves needs class_map.txt",
		"")
	SameContentClasses = classes.kind("same_content_in_classes", Warning,
		"images have the same content as an image of another class",
		"A picture cannot be both; remove the copy that is in the wrong folder.")
	SingleClass = classes.kind("single_class", Warning,
		"datasets have a single class; there is nothing to tell apart, and Hugging Face datasets makes no label column of it",
		"")
)

// Splits.
var (
	SplitContradiction = splits.kind("split_contradiction", Error,
		"images are in two splits",
		"Name every image once in custom_splits.")
	SplitUnknownImage = splits.kind("split_unknown_image", Warning,
		"image ids of the split are not in the dataset",
		"")
	SplitUnlistedImage = splits.kind("split_unlisted_image", Warning,
		"images are not named by the split and were assigned automatically",
		"")
	SplitFieldsIgnored = splits.kind("split_fields_ignored", Warning,
		"split fields of images are not used, because other images have none",
		"")
	SplitFieldsOverridden = splits.kind("split_fields_overridden", Warning,
		"images have a split field that the dataset's split_config overrides",
		"")
	SplitSaysNothing = splits.kind("split_says_nothing", Warning,
		"splits put all images into one part, which says nothing; the next in order decides",
		"")
	SplitUnknownKey = splits.kind("split_unknown_key", Warning,
		"keys of SPLIT_STRATEGY mean nothing here",
		"It takes method, ratio, seed, custom_splits, exclude_images and stratify.")
	SplitMovedForClass = splits.kind("split_moved_for_class", Info,
		"images were moved so that train and val both have their class",
		"")
	SameContent = splits.kind("same_content_in_splits", Warning,
		"images have the same content as an image of another split",
		"What is trained on cannot be validated on; remove the copies.")
	SplitWithoutImage = splits.kind("split_without_image", Error,
		"splits lost every image that was given to them: missing, broken or left out",
		"Bring these images, or give the split others; nothing else is trained or validated on in their place.")
	TestWithoutImage = splits.kind("test_without_image", Warning,
		"test splits lost every image that was given to them: missing, broken or left out; there is no test split",
		"")
	SplitMovedImage = splits.kind("split_moved_image", Info,
		"images were moved so that neither train nor val is empty",
		"")
	SplitExcludedImage = splits.kind("split_excluded_image", Info,
		"images are left out as exclude_images says",
		"")
	TooFewImages = splits.kind("too_few_images", Error,
		"images are too few: one for training and one for validation are needed",
		"Add images, or correct what leaves them out.")
	ClassOnlyElsewhere = splits.kind("class_only_elsewhere", Warning,
		"classes have no object in train or in val",
		"")
	ManyObjectsStickOut = splits.kind("many_objects_stick_out", Warning,
		"objects, more than a quarter, stick out of their image: their boxes may be in another format than they are read in",
		"Look at --preview. bbox is [x, y, width, height] from the top left; declare bbox_format where it is not.")
	ImagesOfOtherSize = splits.kind("images_of_other_size", Error,
		"objects, more than a quarter, reach beyond their image and would fit the size that the annotations say: they were drawn on other files",
		"The images were made smaller, or turned, after they were annotated: bring the originals, or annotations for these.")
	NoObjects = splits.kind("no_objects", Error,
		"datasets have no usable object at all",
		"Annotate some images first.")
)

// Written datasets.
var (
	DuplicateObject = writing.kind("duplicate_object", Info,
		"objects are the same as another of their image and are left out, as the reader would",
		"")
	ImageNetCodeName = writing.kind("imagenet_code_name", Info,
		"first class names look like ImageNet codes to Ultralytics and are renamed for it",
		"")
	NoFlipIdx = writing.kind("no_flip_idx", Info,
		"skeletons have points without names, so which of them mirror each other is not known; Ultralytics then trains without horizontal flips",
		"")
	ImageTooSmall = writing.kind("image_too_small", Warning,
		"images have a side of less than 10 pixels, which Ultralytics drops; they are left out",
		"")
	ImageTooLarge = writing.kind("image_too_large", Warning,
		"images have more pixels than Pillow opens (a decompression bomb to it); they are left out",
		"")
	ImageConverted = writing.kind("image_converted", Info,
		"images are in a format that not every reader takes and are written as PNG",
		"")
	UnreadableFormat = writing.kind("unreadable_format", Warning,
		"images are in a format that the reader does not take and that cannot be converted here; they are left out",
		"Convert them to JPEG or PNG.")
	OrientationBaked = writing.kind("orientation_baked", Info,
		"images have an EXIF orientation on which readers disagree; they are written upright as PNG",
		"")
	ImageIDsRenumbered = writing.kind("image_ids_renumbered", Info,
		"image ids are not whole numbers, which COCO needs; images are numbered in order",
		"")
)
