package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// settingsCauses are settings that a library refuses by their names.
var settingsCauses = []cause{
	{ // yacs, transformers, gin, jsonargparse
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`Non-existent config key: |Type mismatch [^\n]{1,200} for config key: |Some keys are not used by the \w*ArgumentParser|^ValueError: No configurable matching '|^omegaconf\.errors\.ValidationError: |had unknown keys \(|Expected a string path to an existing deepspeed config|^ValueError: Configurable '[^'\n]{1,100}' doesn't have a parameter named`),
		message: "A setting of the script is not valid: {short}.", hint: "Check the trainer's command, its configuration and its overrides.",
	}, { // a script's own check of a choice
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`(?i)^(?:ValueError|KeyError|NotImplementedError|AssertionError|Exception|SystemExit): ['"]?(?:unknown|unsupported|invalid|unrecogni[sz]ed|no such) (?:optimi[sz]er|(?:lr[ _]?)?scheduler|model(?: name| type)?|backbone|arch\w*|encoder|loss(?: function)?|activation|precision|mode|sampler|dataset (?:name|type|format))\b[ :]+['"]?\w`),
		message: "A setting of the script is not valid: {short}.", hint: "Check the job's settings and the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, raised: true,
		like:    pattern.Of(`Pretrained (?:weights|value) \([^)\n]{1,100}\) not found for model|Pretrained value '[^'\n]{1,100}' is not a known tag`),
		message: "A setting of the job is not valid: {short}.", hint: "Check the job's settings.",
	},
}
