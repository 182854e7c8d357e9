package archive

// Limits bound what a package may be. A field that is 0 means no limit.
type Limits struct {
	Files int   // files and folders
	Bytes int64 // unpacked, all files together
	Ratio int64 // unpacked to packed bytes, of a file above ratioFloor
	Name  int   // bytes of a path
	Depth int   // folders above a file
}

// Default are the limits of an upload: a trainer is code, and at most some weights.
var Default = Limits{Files: 5000, Bytes: 2 << 30, Ratio: 200, Name: 200, Depth: 16}

// ratioFloor is the size below which no file can fill a disk, however well it packs.
const ratioFloor = 8 << 20

// maxFindings bounds what is said of one archive: a hundred thousand wrong names are
// one fault.
const maxFindings = 20
