// Package split decides which images of a dataset are for training, which for
// validation and which for testing.
//
// It promises the platform's own algorithm, bit for bit as CPython's random
// module computes it, so that the split of an old job can be reproduced; that
// every image that is not excluded lands in exactly one split; and that neither
// train nor val is empty when there are two images to share. It leaves to its
// callers what an image is: it sees ids, file names and class labels only.
package split
