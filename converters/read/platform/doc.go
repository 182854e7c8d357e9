// Package platform reads the Platform Format: annotations.json in every shape
// that section 6 of the contract lists.
//
// It promises to read as a stream with bounded memory, to report every problem
// of a file and not only the first, and never to guess in silence: what it
// cannot take is named. It leaves the images on disk to its caller; widths and
// heights are what the file says.
package platform
