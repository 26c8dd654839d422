# Completion of qme for fish.

function __qme_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program qme
    if string match -q -- '*/*' $words[1]
        set program $words[1]
    end
    set -l arguments $words
    set -e arguments[1]
    set -l answer ($program __complete $arguments "$current" 2>/dev/null)
    switch "$answer[1]"
        case dirs
            __fish_complete_directories "$current"
        case files
            __fish_complete_path "$current"
        case 'command *'
            # The command that is to be run completes as it does without qme.
            set -l dropped (string replace 'command ' '' -- $answer[1])
            set -l command
            if test (count $words) -gt $dropped
                set command $words[(math $dropped + 1)..-1]
            end
            complete -C (string join -- ' ' (string escape -- $command) "$current")
        case words
            set -e answer[1]
            printf '%s\n' $answer
    end
end

complete -c qme -e
complete -c qme -f -k -a '(__qme_complete)'
