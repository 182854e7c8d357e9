#compdef trainer-agent
# zsh completion of trainer-agent
_trainer_agent() {
    local line rest
    local -a found
    for line in "${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            :*) rest=${line#:} ;;
            *) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( $#found )) && _describe 'trainer-agent' found
    case $rest in
        files) _files ;;
        folders) _files -/ ;;
        program) _command_names -e ;;
    esac
}
if (( ! $+functions[compdef] )); then autoload -Uz compinit && compinit -u; fi
if [[ $funcstack[1] == _trainer_agent ]]; then _trainer_agent "$@"; else compdef _trainer_agent trainer-agent; fi
