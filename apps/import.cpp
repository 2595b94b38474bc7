#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "apps/registries.hpp"
#include "core/distill.hpp"
#include "core/eqx.hpp"
#include "core/file.hpp"
#include "core/log.hpp"
#include "core/suggest.hpp"
#include "core/validate.hpp"
#include "nca/eqx_variant.hpp"
#include "pde/eqx_rda.hpp"
#include "train/model_file.hpp"

namespace mg::apps {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

struct ImportOptions {
  std::string file, output, kernels, padding, activation;
  bool force = false;
};

/// A model of another project: its configuration and its tensors, named as this project names them.
struct Foreign {
  std::string format;
  json model;
  TensorFile params;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    words.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return words;
}

/// The kernels that the user names, or `known`; they must give `blocks` blocks of features.
std::vector<std::string> kernels_of(const ImportOptions& options, const std::vector<std::string>& known, int blocks) {
  const auto kernels = options.kernels.empty() ? known : split(options.kernels);
  if (kernels.empty())
    throw Error(ExitCode::usage, options.file +
                                     ": such a file does not say which kernels the model perceives through; " +
                                     "give --kernels, as in --kernels ID,GRAD,LAP (" + std::to_string(blocks) +
                                     " blocks of features: ID, DIFF, AV and LAP have one, GRAD has two)");
  int given = 0;
  for (const auto& kernel : kernels) given += kernel == "GRAD" ? 2 : 1;
  if (given != blocks)
    throw Error(ExitCode::usage, "--kernels " + join(kernels, ",") + " give " + std::to_string(given) +
                                     " blocks of features, the file has " + std::to_string(blocks));
  return kernels;
}

/// The configuration of the model: what the file says, then what the user says.
json model_json(const ImportedNca& nca, const ImportOptions& options) {
  json model{{"type", nca.gated ? "gnca" : "nca"},
             {"channels", nca.channels},
             {"kernels", kernels_of(options, nca.kernels, nca.blocks())},
             {"hidden", nca.hidden},
             {"hidden_bias", nca.params.contains("hidden.bias")},
             {"output_bias", nca.params.contains("output.bias")},
             {"fire_rate", nca.fire_rate},
             {"kernel_scale", nca.scale},
             {"smoothing", nca.smoothing},
             {"dx", nca.dx}};
  if (nca.format == "distill") model.update({{"padding", "ZEROS"}, {"fire_mask", "cell"}, {"alive", json::object()}});
  if (!options.padding.empty()) model["padding"] = options.padding;
  if (!options.activation.empty()) model["activation"] = options.activation;
  return model;
}

Foreign foreign_variant(nca::ImportedVariant variant, const ImportOptions& options) {
  json& model = variant.model;
  model["kernels"] = kernels_of(options, {}, variant.blocks);
  if (!options.padding.empty()) model["padding"] = options.padding;
  if (!options.activation.empty()) model["activation"] = options.activation;
  return {"eqx", std::move(model), std::move(variant.params)};
}

Foreign foreign_nca(const ImportedNca& nca, const ImportOptions& options) {
  return {nca.format, model_json(nca, options), nca.params};
}

/// A model that is not there is no valid input, like one that is damaged.
std::string read_input(const std::string& file) {
  try {
    return read_file(file);
  } catch (const IoError& error) {
    throw DataError(error.what());
  }
}

Foreign read_foreign(const ImportOptions& options) {
  const std::string &file = options.file, bytes = read_input(file);
  const auto first = bytes.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && bytes[first] == '[') return foreign_nca(parse_distill_nca(bytes, file), options);
  const EqxFile eqx = parse_eqx(bytes, file);
  if (nca::is_eqx_variant(eqx)) return foreign_variant(nca::import_eqx_variant(eqx, file), options);
  if (!pde::is_eqx_pde(eqx)) return foreign_nca(import_eqx_nca(eqx, file), options);
  if (!options.kernels.empty() || !options.padding.empty() || !options.activation.empty())
    throw Error(ExitCode::usage, file +
                                     ": holds a PDE and says all about it; --kernels, --padding and --activation are "
                                     "for automata");
  pde::ImportedRda rda = pde::import_eqx_rda(eqx, file);
  return {"eqx", std::move(rda.model), std::move(rda.params)};
}

int import_model(const ImportOptions& options, const GlobalOptions& global) {
  const Foreign foreign = read_foreign(options);
  Schema schema("import", "");
  schema.variant("model", registries<double>().systems.variants(), std::nullopt, "the system");
  Document document;
  document.value = json{{"model", foreign.model}};
  for (const auto& assignment : global.sets) apply_override(schema, document, assignment);
  const Config model = validate_config(schema, document).at("model");
  const auto system = registries<double>().systems.create(model);

  TensorFile out = foreign.params;
  const std::string where = options.file;
  train::model_params<double>(out, system->param_layout(), where);  // that the tensors are exactly those of the model
  out.metadata["format"] = "morphogen.model";
  out.metadata["model"] = model.json().dump();
  const fs::path target = options.output.empty() ? fs::path(options.file).filename().replace_extension(".safetensors")
                                                 : fs::path(options.output);
  if (fs::exists(target) && !options.force)
    throw IoError(target.string() + ": exists already; --force replaces it, -o names another file");
  if (!global.dry_run) write_file(target, safetensors_bytes(out));
  log::info("{}: {} model of {} parameters{}", target.string(), foreign.format, system->param_layout().size(),
            global.dry_run ? " (dry run: not written)" : "");
  std::cout << json{{"file", target.string()},
                    {"format", foreign.format},
                    {"parameters", system->param_layout().size()},
                    {"model", model.json()}}
                   .dump(2)
            << "\n";
  return 0;
}

}  // namespace

void add_import(Command& program, GlobalOptions& global) {
  Command command = program.subcommand(
      "import", "Turn a model of another project (.eqx, Growing-NCA JSON) into a model file that run and eval take");
  auto options = std::make_shared<ImportOptions>();
  command.option("FILE", options->file, "The file of the other project").required();
  command.option("-o,--output", options->output, "Model file to write; default: FILE's name with .safetensors, here");
  command.option("--kernels", options->kernels, "What the model perceives, as in ID,GRAD,LAP (.eqx files do not say)");
  command.option("--padding", options->padding, "ZEROS, REFLECT, REPLICATE or CIRCULAR (.eqx files do not say)");
  command.option("--activation", options->activation, "Nonlinearity of the hidden layer (.eqx files do not say)");
  command.flag("--force", options->force, "Replace an existing model file");
  command.action([options, &global] { return import_model(*options, global); });
}

}  // namespace mg::apps
