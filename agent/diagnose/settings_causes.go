package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	// secretName is a variable that is kept from the training (see config.LooksSecret).
	secretName   = `(\w*(?i:SECRET|PASSWORD|API_KEY|ACCESS_KEY)\w*|\w*(?i:TOKENS?)(?:_\w+)?)`
	withheldHint = "Variables that look like secrets are withheld from the training: AGENT_CHILD_ENV_ALLOW names exceptions, and AGENT_PASS_CREDENTIALS=true leaves the bucket's keys."

	ofEnviron = `(?m)os\.environ\[[^\n]*\n(?:[ ~^]+\n)?\s*File "(?:<frozen os>|[^"\n]*/os\.py)", line \d+, in __getitem__`
)

// environCauses are variables and files of settings that a script reads itself.
var environCauses = []cause{
	{ // settings in JSON: a variable, or a file by its name
		code: contract.CodeConfigInvalid, like: pattern.Of(`JSONDecodeError`),
		stack:   pattern.Of(`json\.loads\((?:os\.)?(?:environ|getenv)|json\.load\(open\(['"](?:[^'"\n]{0,100}/)?[\w-]*(?:config|cfg|settings|params|hyp)[\w-]*\.json`),
		names:   pattern.Of(`json\.loads?\((?:open\(|(?:os\.)?(?:environ(?:\.get)?[\[(]|getenv\())['"]([^'"\n]{1,200})`),
		message: "The script's settings are no valid JSON: {short}.", hint: "Correct it; JSON has double quotes and no trailing commas.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^KeyError: '` + secretName + `'$`),
		stack:   pattern.Of(ofEnviron),
		message: "The script needs the variable ${1}, and has not been given it.", hint: withheldHint,
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^KeyError: '(\w{1,100})'$`),
		stack:   pattern.Of(ofEnviron),
		unless:  pattern.Of(`KeyError: '(?:RANK|WORLD_SIZE|LOCAL_RANK|MASTER_ADDR|MASTER_PORT|USER|HOME|SLURM_\w+)'`),
		message: "The script needs the variable ${1}, which is not set.", hint: "Set it in the job's settings or in the image.",
	}, { // numbers in variables
		code: contract.CodeConfigInvalid, like: pattern.Of(`^ValueError: (?:invalid literal for int\(\)|could not convert string to float)`),
		stack:   pattern.Of(`(?:int|float)\((?:os\.)?(?:environ|getenv)`),
		message: "A variable of the environment holds no number: {short}.", hint: "That line of the script names the variable: correct it in the job's settings.",
	}, { // configparser and TOML are for settings only
		code: contract.CodeConfigInvalid, like: pattern.Of(`TOMLDecodeError|TomlDecodeError|^configparser\.\w+Error`),
		names:   pattern.Of(`open\(['"]([^'"\n]{1,200}\.toml)['"]`),
		message: "The script's settings can't be read: {short}.", hint: "Correct the file.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?i)^pydantic\S*ValidationError: \d+ validation errors? for (\w*(?:config|settings|args|arguments|options|params))\n([^\n]{1,100})\n\s*([^\n\[]{1,200}[^\s\[])`),
		message: "The script's settings (${1}) are not valid: ${2}: ${3}.", hint: "Correct the value.",
	},
}

// argumentCauses are settings and overrides that frameworks refuse.
var argumentCauses = []cause{
	{
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?:'[^'\n]{0,80}' )?is not a valid YOLO (?:argument|task|mode)\b|Unknown model \(([^)]*)\)|Invalid pretrained tag[^\n]{0,120}[^\n.]|'\w+=[^'\n]{0,80}' is (?:of invalid type|an invalid value|not a valid \w+)\b[^\n]{0,160}`),
		message: "A setting of the job is not valid: ${0}.", hint: "Check the job's settings.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^FileNotFoundError: '([^'\n]{1,200}\.ya?ml)' does not exist`), stack: pattern.Of(`in (?:yaml_model_load|guess_model_task|_new)\b`),
		message: "The model ${1} is not known.", hint: "Check MODEL_NAME.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?s)^yaml\.\w+\.\w+Error: .{0,600}in "([^"\n]{1,200})", line (\d+)`), unless: pattern.Of(`check_(?:det_|cls_)?dataset`),
		message: "${1} is no valid YAML at line ${2}: {short}.", hint: "Correct the file.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`Could not override '[^'\n]{0,100}'|Some specified arguments are not used by the \w*ArgumentParser: [^\n]{0,200}|Unknown command line flag '[^'\n]{0,80}'|OverrideParseException|ConfigCompositionException|MissingConfigException|In '[^'\n]{1,100}': Could not find '|^Could not find '[\w-]+/[\w@-]+'(?:\n|$)`),
		message: "The training script refused its arguments: {short}.", hint: "Check the trainer's command and its overrides.",
	},
}

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
