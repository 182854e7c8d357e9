package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// settingNames are numbers that people set.
const settingNames = `(?:num[ _]|max[ _])?(?:epochs?|batch[ _]?size|learning[ _]?rate|lr|workers|image_size|img_size|imgsz|weight[ _]?decay|momentum|patience|dropout)`

// settingsCauses are settings that a library refuses by their names.
var settingsCauses = []cause{
	{ // yacs, transformers, gin, jsonargparse
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`Non-existent config key: |Type mismatch [^\n]{1,200} for config key: |Some keys are not used by the \w*ArgumentParser|^ValueError: No configurable matching '|^omegaconf\.errors\.ValidationError: |had unknown keys \(|Expected a string path to an existing deepspeed config|^ValueError: Configurable '[^'\n]{1,100}' doesn't have a parameter named`),
		message: "A setting of the script is not valid: {short}.", hint: "Check the trainer's command, its configuration and its overrides.",
	}, { // a script's own check of a choice
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`(?i)^(?:Error|ValueError|KeyError|NotImplementedError|AssertionError|Exception|SystemExit): ['"]?(?:unknown|unsupported|invalid|unrecogni[sz]ed|no such) (?:optimi[sz]er|(?:lr[ _]?)?scheduler|model(?: name| type)?|backbone|arch(?:itecture)?|encoder|loss(?: function| type)?|sampler|dataset (?:name|type|format))(?:: ?['"]?|['"]? ?['"])\w`),
		unless:  pattern.Of(byItself + `|site-packages/(?:pydantic|fsspec|onnx\w*)/`),
		message: "A setting of the script is not valid: {short}.", hint: "Check the job's settings and the trainer's command.",
	}, { // a number that is none of the allowed ones, by the names that settings have
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`^(?:Error|ValueError|AssertionError|RuntimeError|SystemExit|Exception): (?i:invalid (?:value (?:for|of) )?` + settingNames + `\b[^\n]{0,20}: ?-?[\d.]+|(?:--|args\.|cfg\.)?` + settingNames + `\b[^\n]{0,60}(?:must be|should be|has to be|needs to be|cannot be|can't be))|argparse\.ArgumentError: argument `),
		unless:  pattern.Of(`(?i)\bmatch|\bsame\b|\binputs?\b|tensor|shape|\bequal\b|\bbuffer\b|conflicting option`),
		message: "A setting of the script is not valid: {short}.", hint: "Check the job's settings and the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`(?:[Mm]issing|[Rr]equired?s?|[Nn]eeds?)\b[^\n]{0,30}\benv(?:ironment)? var(?:iable)?s?:? ['"]?[A-Z][A-Z0-9_]{2,}|\b(?:variable )['"]?[A-Z][A-Z0-9_]{2,}['"]? (?:is not set|must be set|is required)`),
		unless:  pattern.Of(`\b(?:RANK|WORLD_SIZE|LOCAL_RANK|MASTER_\w+|\w*KEY\w*|\w*TOKEN\w*|CUDA_HOME|CUDA_\w+)\b`),
		message: "The script needs a variable that is not set: {short}.", hint: "Set it in the job's settings or in the image.",
	}, {
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`Pretrained (?:weights|value) \([^)\n]{1,100}\) not found for model|Pretrained value '[^'\n]{1,100}' is not a known tag`),
		message: "A setting of the job is not valid: {short}.", hint: "Check the job's settings.",
	},
}
