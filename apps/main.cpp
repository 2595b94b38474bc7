#include "apps/program.hpp"

int main(int argc, char** argv) { return mg::apps::run_program({argv + (argc > 0), argv + argc}); }
