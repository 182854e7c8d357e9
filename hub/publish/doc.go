// Package publish makes a proven package a release: an image and a bundle (the package
// with its wheels) in a registry, a bill of materials and signed provenance attached to
// them, and the platform's two documents in its bucket, last.
//
// It promises that publishing the same thing again changes nothing, so that it may be
// begun again after a kill; that the platform reads of a version only when everything else
// of it is there; and that nothing is signed but what was tested. It leaves the proof, and
// the hub's own record of the release, to the hub.
package publish
