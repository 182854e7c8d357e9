// Package objects puts small documents where the platform reads them: a folder, or a
// bucket of an S3 store, which takes files too. It promises that a document or a file is there
// whole or as it was before.
package objects
