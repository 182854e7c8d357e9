package labels

import "github.com/vision-platform/trainer-agent/converters/dataset/problem"

// The problems of objects.
var (
	NoBox = problem.Kind{Code: "no_bbox", Severity: problem.Error,
		Message: "annotations have no bbox, and nothing to derive one from", Hint: "Add bbox [x, y, width, height] in pixels."}
	WholeImage = problem.Kind{Code: "class_of_whole_image", Severity: problem.Warning,
		Message: "images have a class of their own, which says nothing about the objects in them; it is not used"}
	LooksNormalized = problem.Kind{Code: "bbox_looks_normalized", Severity: problem.Error,
		Message: "boxes are smaller than a pixel and look like fractions of the image",
		Hint:    `Write bbox in pixels, or declare "bbox_format": "xywh_normalized".`}
	ShapeLooksNormalized = problem.Kind{Code: "shape_looks_normalized", Severity: problem.Error,
		Message: "annotations have polygons or keypoints that lie within the first pixel and look like fractions of the image",
		Hint:    `Write segmentation and keypoints in pixels, or declare "bbox_format": "xywh_normalized", which they follow.`}
	FarOut = problem.Kind{Code: "coordinate_too_large", Severity: problem.Error,
		Message: "annotations have a coordinate that no image reaches", Hint: "Correct or remove these annotations."}
	Degenerate = problem.Kind{Code: "degenerate_bbox", Severity: problem.Warning,
		Message: "boxes have no area and are left out"}
	Outside = problem.Kind{Code: "object_outside", Severity: problem.Warning,
		Message: "objects are outside of their image and are left out"}
	Clipped = problem.Kind{Code: "object_clipped", Severity: problem.Info,
		Message: "objects stick out of their image and are clipped to it"}
	BadPolygon = problem.Kind{Code: "bad_polygon", Severity: problem.Warning,
		Message: "polygons have an odd number of coordinates, fewer than three points or no area, and are left out"}
	LostShape = problem.Kind{Code: "no_polygon_left", Severity: problem.Warning,
		Message: "objects have no usable polygon and are left out"}
	NoShapes = problem.Kind{Code: "no_polygons", Severity: problem.Error,
		Message: "annotations have no polygon or mask, and the task needs them",
		Hint:    "Add segmentation to the annotations, or train object_detection on the boxes."}
	BoxAsShape = problem.Kind{Code: "box_as_polygon", Severity: problem.Warning,
		Message: "annotations have a box and no polygon among others that have one; their outline is the box"}
	MaskSize = problem.Kind{Code: "mask_size", Severity: problem.Error,
		Message: "masks have another size than their image", Hint: "Write the masks at the size of the image as it is displayed."}
	HolesFilled = problem.Kind{Code: "mask_holes_filled", Severity: problem.Info,
		Message: "holes of masks are filled, because a polygon cannot have them"}
	CrowdSkipped = problem.Kind{Code: "crowd_skipped", Severity: problem.Info,
		Message: "crowd annotations are left out, because the format cannot say that they are crowds"}
	NoKeypoints = problem.Kind{Code: "no_keypoints", Severity: problem.Error,
		Message: "annotations have no keypoints, and the task needs them",
		Hint:    "Add keypoints [x, y, v, ...] to the annotations, or train object_detection on the boxes."}
	BoxWithoutKeypoints = problem.Kind{Code: "box_without_keypoints", Severity: problem.Warning,
		Message: "annotations have a box and no keypoints among others that have them; all their keypoints count as not labelled"}
	KeypointCount = problem.Kind{Code: "keypoint_count", Severity: problem.Error,
		Message: "annotations have another number of keypoints than the others, or numbers that make no whole points",
		Hint:    "All objects of a pose dataset have the same skeleton; write 0, 0, 0 for a point that is not labelled."}
	KeypointOutside = problem.Kind{Code: "keypoint_outside", Severity: problem.Warning,
		Message: "keypoints are outside of their image and count as not labelled"}
	Visibility = problem.Kind{Code: "keypoint_visibility", Severity: problem.Error,
		Message: "keypoints have a visibility other than 0, 1 and 2", Hint: "v is 0 (not labelled), 1 (hidden) or 2 (visible)."}
)
