package contract

// Split names a part of a dataset.
type Split string

// The three splits.
const (
	SplitTrain Split = "train"
	SplitVal   Split = "val"
	SplitTest  Split = "test"
)

// Splits lists the splits in the order in which they are written and reported.
var Splits = []Split{SplitTrain, SplitVal, SplitTest}

// SplitMethod says how images are assigned to splits.
type SplitMethod string

// The split methods of SPLIT_STRATEGY.
const (
	SplitAuto       SplitMethod = "auto"
	SplitUseDataset SplitMethod = "use_dataset"
	SplitCustom     SplitMethod = "custom"
)

// MaxListBytes is the longest list that a child gets as a variable of its environment,
// of which Linux takes 128 KiB; a longer one is a file, named by NAME_FILE.
const MaxListBytes = 100 << 10

// DefaultSplitRatio and DefaultSplitSeed apply when neither the job nor the
// dataset says how to split.
var DefaultSplitRatio = []float64{0.8, 0.2}

// DefaultSplitSeed is the seed of the platform's own splitter.
const DefaultSplitSeed = 42

// SplitStrategy is the job's SPLIT_STRATEGY and the dataset's split_config.
// Both spell some fields in two ways; the reader in converters/split accepts
// them and fills this one shape.
type SplitStrategy struct {
	Method        SplitMethod      `json:"method"`
	Ratio         []float64        `json:"ratio,omitempty"`          // train, val[, test]; sums to 1
	Seed          *int64           `json:"seed,omitempty"`           // nil means DefaultSplitSeed
	CustomSplits  map[string]Split `json:"custom_splits,omitempty"`  // image id or file name; an empty Split means assign automatically
	ExcludeImages []string         `json:"exclude_images,omitempty"` // image ids
	Stratify      bool             `json:"stratify,omitempty"`       // our extension: equal class ratios in every split
	Unknown       []string         `json:"-"`                        // keys of the text that mean nothing here, sorted
}
