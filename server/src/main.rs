//! `kubewise-server serve|migrate|healthcheck|admin`

fn main() -> std::process::ExitCode {
    kubewise_server::command::main()
}
