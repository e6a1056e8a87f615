"""A variational autoencoder of perceptrons on handwritten digits (Kingma & Welling 2014)."""

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from bench_core.workloads.data.digits import mnist
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, restorer, training_flops, workload

PIXELS, HIDDEN, LATENT = 784, 400, 20


@workload(
    family="vae",
    kind="train",
    unit="image",
    source="Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014: estimator (7) of section 2.3 with one noise "
    "sample and batches of 100, model of section 3, closed-form divergence of appendix B, perceptrons of C.1 and C.2; "
    "784-400-20-400-784, ReLU, Adam .001 and pixels as probabilities, as in the VAE of PyTorch's examples. The noise "
    "is drawn in advance, as part of the batches",
    batches={"cpu": (1, 100, 1000), "cuda": (1, 100, 1000, 10_000)},
    reference_batch=100,
    variants=("eager", "compile", "cuda_graph"),
    known_costs=KnownCosts(
        "652,824 parameters; 651,200 multiply-adds forward; equals the bound by torch.distributions", 652_824, 3_280_000
    ),
    regime="GPU: launches up to a few hundred images, since a step has about forty small operations; then arithmetic. "
    "CPU: Python and Adam's pass over the weights at batch 1, the matrix products from a few tens of images",
)
def vae_train(ctx: BuildContext) -> Step:
    """Training of a 784-400-20-400-784 variational autoencoder on handwritten digits: bound, backward and Adam."""
    digits = mnist(ctx.data_dir, train=True)
    batches = []
    for rows in ctx.draw_rows(len(digits.images), row_bytes=4 * (PIXELS + LATENT)):
        pixels, noise = digits.images[rows].reshape(-1, PIXELS) / 255, ctx.rng.standard_normal((len(rows), LATENT))
        batches.append((ctx.tensor(pixels), ctx.tensor(noise)))
    model = ctx.model(VAE, train=True)
    optimizer = Adam(model.parameters(), lr=0.001)
    bound = ctx.autocasted(ctx.forward(model))
    feed = ctx.feed(batches, restorer([model], [optimizer]))

    def run() -> Tensor:
        pixels, noise = next(feed)
        optimizer.zero_grad(set_to_none=True)
        loss: Tensor = -bound(pixels, noise).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return ctx.step(
        run,
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, PIXELS), (ctx.batch_size, LATENT)),
        data=digits.source,
        modules={"model": model},
        optimizers={"model": optimizer},
    )


class VAE(nn.Module):
    """A normal encoder and a Bernoulli decoder; from pixels of 0 to 1 and noise to the bound of each image."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS))

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """The lower bound of each image's log-likelihood in nats (section 3, equation 10, with L = 1): (batch,)."""
        hidden = self.encoder(pixels)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        logits = self.decoder(mean + (log_variance / 2).exp() * noise)
        likelihood = -F.binary_cross_entropy_with_logits(logits, pixels, reduction="none").sum(1)
        return likelihood - divergence(mean, log_variance)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of normal distributions (batch, latent) from the standard one (appendix B)."""
    return -(1 + log_variance - mean.square() - log_variance.exp()).sum(1) / 2
