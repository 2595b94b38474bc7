#include "apps/program.hpp"
#include "apps/wait_policy.hpp"

int main(int argc, char** argv) {
  mg::apps::bound_spinning(argv);
  return mg::apps::run_program({argv + (argc > 0), argv + argc});
}
