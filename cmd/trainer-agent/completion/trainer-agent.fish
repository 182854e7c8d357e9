# fish completion of trainer-agent
function __trainer_agent_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :folders
                __fish_complete_directories (commandline -ct)
            case :program
                complete -C (commandline -ct)
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c trainer-agent -f -a '(__trainer_agent_complete)'
