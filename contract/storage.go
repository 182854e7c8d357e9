package contract

// StorageType is STORAGE_TYPE: which object store the agent talks to.
type StorageType string

// The storage types of section 2 of the contract. The first three speak the S3
// API and differ in what may be taken for granted: checksums, part sizes and
// the default region.
const (
	StorageS3    StorageType = "s3"
	StorageMinIO StorageType = "minio"
	StorageR2    StorageType = "r2"
	StorageLocal StorageType = "local"
)

// StorageTypes lists every storage type in the order of the documentation.
var StorageTypes = []StorageType{StorageS3, StorageMinIO, StorageR2, StorageLocal}
