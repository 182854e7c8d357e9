package contract

// TrainerFiles are the files of a trainer package, section 9 of the contract.
var (
	TrainerFilesRequired = []string{
		"train.py", "config_schema.py", "capabilities.json",
		"validate_capabilities.py", "requirements.txt", "Dockerfile",
	}
	TrainerFilesOptional = []string{"export.py", "predict.py", "README.md"}
)

// Capabilities is capabilities.json: what a trainer can train.
type Capabilities struct {
	Framework      string             `json:"framework"`
	DisplayName    string             `json:"display_name"`
	Description    string             `json:"description"`
	Version        string             `json:"version"`
	Author         string             `json:"author,omitempty"`
	License        string             `json:"license,omitempty"`
	Models         []CapabilityModel  `json:"models"`
	TaskTypes      []CapabilityTask   `json:"task_types"`
	DatasetFormats []CapabilityFormat `json:"dataset_formats"`
	Requires       *Requires          `json:"requires,omitempty"`
}

// CapabilityModel is one model of a trainer.
type CapabilityModel struct {
	ModelName   string          `json:"model_name"`
	DisplayName string          `json:"display_name"`
	TaskTypes   []string        `json:"task_types"`
	Description string          `json:"description"`
	Parameters  ModelParameters `json:"parameters"`
	Supported   bool            `json:"supported"`
}

// ModelParameters gives a model's size.
type ModelParameters struct {
	Min  Number `json:"min"`  // millions of parameters
	MACs Number `json:"macs"` // billions of multiply-accumulates an image
}

// CapabilityTask is one task type of a trainer.
type CapabilityTask struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	Description string `json:"description"`
	Supported   bool   `json:"supported"`
}

// CapabilityFormat is one dataset format of a trainer.
type CapabilityFormat struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	Supported   bool   `json:"supported"`
}

// ConfigSchema is what config_schema.py prints.
type ConfigSchema struct {
	Framework   string                    `json:"framework"`
	Description string                    `json:"description"`
	Version     string                    `json:"version"`
	Fields      []ConfigField             `json:"fields"`
	Presets     map[string]map[string]any `json:"presets"` // easy, medium, advanced
}

// ConfigField is one option of a trainer.
type ConfigField struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"` // int, float, bool, select, string
	Default     any      `json:"default"`
	Min         *float64 `json:"min,omitempty"`
	Max         *float64 `json:"max,omitempty"`
	Step        *float64 `json:"step,omitempty"`
	Options     []any    `json:"options,omitempty"`
	Description string   `json:"description"`
	Group       string   `json:"group"`
	Required    bool     `json:"required"`
	Advanced    bool     `json:"advanced"`
}

// ValidationSteps are the steps of validating a trainer package, in order.
var ValidationSteps = []string{
	"structure", "config_schema", "capabilities", "training_test", "inference_test", "security",
}

// PackageValidation is the progress of validating a trainer package.
type PackageValidation struct {
	// Status is validating, passed or failed. A desk's own validation may end with
	// StatusPartly, which a platform's never does.
	Status         string                `json:"status"`
	CurrentStep    string                `json:"current_step"`
	StepsCompleted int                   `json:"steps_completed"`
	StepsTotal     int                   `json:"steps_total"` // 6
	Results        map[string]StepResult `json:"results"`
}

// StatusPartly says of a package that nothing was found, and that not everything could
// be looked at, because a scanner is not installed.
const StatusPartly = "partly"

// StepResult is the outcome of one validation step. Issues say in one line each
// what Findings say in parts.
type StepResult struct {
	Passed   bool      `json:"passed"`
	Partly   bool      `json:"partly,omitempty"` // nothing was found in what could be looked at
	Duration float64   `json:"duration"`         // seconds
	Issues   []string  `json:"issues"`
	Findings []Finding `json:"findings"`

	Schema          *ConfigSchema `json:"schema,omitempty"`           // config_schema: what the package printed
	ModelsValidated *int          `json:"models_validated,omitempty"` // capabilities: models that were really built
	Checkpoint      *bool         `json:"checkpoint_created,omitempty"`
	OutputValid     *bool         `json:"output_valid,omitempty"` // inference_test: predictions of the task
	Threats         []string      `json:"threats,omitempty"`      // security: the findings that refuse the package
	Log             string        `json:"log,omitempty"`          // the end of what the step's processes wrote
}
