"""What every command says, reads and how it fails: the `bots` command and the modules of `services` alike."""
