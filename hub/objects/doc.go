// Package objects puts small documents where the platform reads them: a folder, or a
// bucket of an S3 store. It promises that a document is there whole or as it was before.
package objects
