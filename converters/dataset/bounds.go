package dataset

import "github.com/vision-platform/trainer-agent/contract"

// Most objects that a dataset may have: a few bytes of a zip can stand for millions. The
// most that was published is 30 million (Objects365), and some thousands in an image
// (crowds, cells). An object takes 140 bytes until it is written, beside its outline.
const (
	MaxObjects         = 40_000_000
	MaxObjectsPerImage = 100_000
)

// Add adds an object and counts it. The error, a *contract.Failure, is for one too many.
func (c *Catalog) Add(o Object) error {
	for int(o.Image) >= len(c.counts) {
		c.counts = append(c.counts, 0)
	}
	if c.counts[o.Image]++; c.counts[o.Image] > MaxObjectsPerImage {
		return TooManyIn(c.Images[o.Image].File)
	}
	if c.Objects.Len() >= MaxObjects {
		return TooMany()
	}
	c.Objects.Append(o)
	return nil
}

// TooManyIn is the failure of an image with more than MaxObjectsPerImage objects.
func TooManyIn(image string) *contract.Failure {
	return contract.Failf(contract.CodeDatasetTooLarge, "%s has more than %d objects, which no image is read with.", image, MaxObjectsPerImage).
		WithHint("See whether its labels were written over and over; an image that truly shows as many is cut into tiles.")
}

// TooMany is the failure of a dataset with more than MaxObjects objects.
func TooMany() *contract.Failure {
	return contract.Failf(contract.CodeDatasetTooLarge, "The dataset has more than %d objects, which is the most that is read.", MaxObjects).
		WithHint("Split the dataset into smaller ones.")
}
